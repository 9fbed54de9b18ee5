/* (base + per_step * steps + 15) * megapixels * multiplier, cut to 60 .. 180. */
#include "studio/estimate.h"

#include <string.h>

/* In seconds, and seconds a step with Turbo. The last row is for modes that are not known. */
static const struct {
    const char *mode;
    double base, per_step;
} modes[] = {
    {"t2i", 20, 1.6},
    {"controlnet", 30, 2.0},
    {"upscale", 50, 1.6},
    {NULL, 30, 1.6},
};

#define BASE_PER_STEP 2.4 /* text to image with the undistilled model */
#define SLACK 15
#define SHORTEST 60
#define LONGEST 180
#define STEPS 8
#define SIDE 1024

int zis_estimate_seconds(const zis_estimate_args *a)
{
    int i = 0;
    while (modes[i].mode && strcmp(modes[i].mode, a->mode) != 0) i++;
    double per_step = i == 0 && a->base ? BASE_PER_STEP : modes[i].per_step;
    double width = a->width ? a->width : SIDE, height = a->height ? a->height : SIDE;
    double seconds = (modes[i].base + per_step * (a->steps ? a->steps : STEPS) + SLACK) *
                     (width * height / (SIDE * SIDE)) * a->multiplier;
    return seconds < SHORTEST ? SHORTEST : seconds > LONGEST ? LONGEST : (int)seconds;
}

bool zis_estimate_retries(const char *message)
{
    /* "gpu task aborted" holds both words. */
    return strcasestr(message, "gpu") && strcasestr(message, "aborted");
}
