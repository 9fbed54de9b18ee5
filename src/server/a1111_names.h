/* a1111_names.h - the samplers and schedulers of A1111's web UI by name.
 *
 * Scripts name them without asking what there is. The model was trained for one way from noise to
 * picture, so each of theirs stands for it, which the answer says; other names are refused, as
 * there.
 *
 * Threads: constant. */
#ifndef ZIS_SERVER_A1111_NAMES_H
#define ZIS_SERVER_A1111_NAMES_H

#include <stdbool.h>

/* "DPM++ 2M Karras": by its name, an alias, with a scheduler behind it as older versions had them;
 * in any case of letters. */
bool zis_a1111_names_has_sampler(const char *name);
/* "SGM Uniform", "sgm_uniform" */
bool zis_a1111_names_has_scheduler(const char *name);

/* Their names for display, ended by NULL. */
extern const char *const zis_a1111_names_samplers[];
extern const char *const zis_a1111_names_schedulers[];

#endif
