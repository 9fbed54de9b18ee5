/* The sigmas against DiffSynth's, bit for bit (scheduler.md 3). */
#include "pipeline/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void check(int steps, double strength, double shift, const uint32_t *bits)
{
    float s[64];
    zis_schedule_sigmas(s, steps, strength, shift);
    for (int i = 0; i < steps; i++) {
        uint32_t u;
        memcpy(&u, &s[i], 4);
        assert_int_equal(u, bits[i]);
    }
}

static void eight_steps(void **state)
{
    (void)state;
    static const uint32_t bits[] = {0x3f800000, 0x3f745d17, 0x3f666666, 0x3f555555,
                                    0x3f400000, 0x3f249249, 0x3f000000, 0x3e99999a};
    check(8, 1.0, 3.0, bits);
}

static void twenty_five_steps(void **state)
{
    (void)state;
    static const uint32_t bits[] = {0x3f800000, 0x3f7c7e3e, 0x3f78c9e9, 0x3f74de9b, 0x3f70b767,
                                    0x3f6c4ec6, 0x3f679e7a, 0x3f629f7a, 0x3f5d49c2, 0x3f579436,
                                    0x3f51745d, 0x3f4ade32, 0x3f43c3c4, 0x3f3c14e5, 0x3f33bea3,
                                    0x3f2aaaaa, 0x3f20be82, 0x3f15da89, 0x3f09d89e, 0x3ef914c1,
                                    0x3edb6db6, 0x3eba2e8c, 0x3e94a529, 0x3e53dcb1, 0x3de38e38};
    check(25, 1.0, 3.0, bits);
}

static void strength(void **state)
{
    (void)state;
    static const uint32_t bits[] = {0x3f18acb9, 0x3f04b0ec, 0x3ed9db54, 0x3ea067b3, 0x3e331c0b};
    check(5, 0.33, 3.0, bits);
    static const uint32_t one[] = {0x3f800000};
    check(1, 1.0, 3.0, one);
    static const uint32_t none[] = {0, 0, 0};
    check(3, 0.0, 3.0, none);
}

static void taus(void **state)
{
    (void)state;
    float s[3] = {1.0f, 0.5f, 0.0f};
    zis_schedule_taus(s, s, 3);
    assert_true(s[0] == 0 && s[1] == 500 && s[2] == 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_steps),
        cmocka_unit_test(twenty_five_steps),
        cmocka_unit_test(strength),
        cmocka_unit_test(taus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
