/* Names and aliases of version 1.10 (modules/sd_samplers_*.py, sd_schedulers.py). */
#include "server/a1111_names.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

const char *const zis_a1111_names_samplers[] = {
    "Euler",      "Euler a",      "DPM++ 2M", "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun",
    "DPM++ 2S a", "DPM++ 3M SDE", "LMS",      "Heun",      "DPM2",         "DPM2 a",
    "DPM fast",   "DPM adaptive", "Restart",  "DDIM",      "DDIM CFG++",   "PLMS",
    "UniPC",      "LCM",          NULL,
};

const char *const zis_a1111_names_schedulers[] = {
    "Automatic",       "Uniform",     "Karras",     "Exponential",
    "Polyexponential", "SGM Uniform", "KL Optimal", "Align Your Steps",
    "Simple",          "Normal",      "DDIM",       "Beta",
    "Turbo",           NULL,
};

static const char *const aliases[] = {
    "k_euler",
    "k_euler_a",
    "k_euler_ancestral",
    "k_lms",
    "k_heun",
    "k_dpm_2",
    "k_dpm_2_a",
    "k_dpmpp_2s_a",
    "k_dpmpp_2m",
    "k_dpmpp_sde",
    "k_dpmpp_2m_sde",
    "k_dpmpp_2m_sde_heun",
    "k_dpmpp_3m_sde",
    "k_dpm_fast",
    "k_dpm_ad",
    "restart",
    "ddim_cfgpp",
    "k_lcm",
    NULL,
};

/* Whether a list holds the first n letters of the name. */
static bool holds(const char *const *list, const char *name, size_t n)
{
    for (size_t i = 0; list[i]; i++)
        if (strlen(list[i]) == n && strncasecmp(list[i], name, n) == 0) return true;
    return false;
}

bool zis_a1111_names_has_sampler(const char *name)
{
    size_t n = strlen(name);
    if (holds(zis_a1111_names_samplers, name, n) || holds(aliases, name, n)) return true;
    /* "DPM++ 2M SDE Exponential" */
    for (size_t i = 0; zis_a1111_names_schedulers[i]; i++) {
        size_t k = strlen(zis_a1111_names_schedulers[i]);
        if (n > k + 1 && name[n - k - 1] == ' ' &&
            strcasecmp(name + n - k, zis_a1111_names_schedulers[i]) == 0)
            return holds(zis_a1111_names_samplers, name, n - k - 1);
    }
    return false;
}

bool zis_a1111_names_has_scheduler(const char *name)
{
    char spaced[32];
    size_t n = strlen(name);
    if (n >= sizeof spaced) return false;
    for (size_t i = 0; i <= n; i++) spaced[i] = name[i];
    for (char *at = spaced; (at = strchr(at, '_')) != NULL;) *at = ' ';
    return holds(zis_a1111_names_schedulers, spaced, n);
}
