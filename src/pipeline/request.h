/* request.h - one job in plain words: what a person asks for, and the one table of its fields.
 *
 * Command line, --help, messages about bad values, the recipe in a picture and the JSON forms are
 * views of the same rows, so a new field is one member here and one row in
 * request_fields.c.
 *
 *     init -> set, set, ... -> defaults (of the model) -> check -> run -> deinit
 *
 * A field that nobody set takes the model's default, or the row's. Strings are owned by the
 * request. Pictures come decoded: whoever makes the request reads them (the command line from the
 * paths in `image`, `mask`, `control_image`; the server from what was sent), the path fields only
 * name them for the recipe. A copy of a request shares its pictures, which nobody changes any more.
 * Threads: plain data. */
#ifndef ZIS_PIPELINE_REQUEST_H
#define ZIS_PIPELINE_REQUEST_H

#include "base/mem.h"
#include "base/status.h"
#include "tensor/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits: axes_lens of the published model is 512 tokens of 16 pixels a side. */
#define ZIS_REQUEST_MAX_SIDE 8192
#define ZIS_REQUEST_MAX_STEPS 1000
#define ZIS_REQUEST_MAX_BATCH 1000
#define ZIS_REQUEST_MAX_LORAS 64
/* Bytes of a prompt: far more than the 512 tokens that count. */
#define ZIS_REQUEST_MAX_TEXT (1u << 20)

typedef enum zis_rng_kind {
    ZIS_RNG_TORCH,          /* float32 */
    ZIS_RNG_TORCH_BF16,     /* the same, rounded to bfloat16 */
    ZIS_RNG_TORCH_BF16_OLD, /* generation A of scheduler.md 5.3 */
} zis_rng_kind;

typedef enum zis_math {
    ZIS_MATH_AUTO,
    ZIS_MATH_F32,
    ZIS_MATH_BF16,
} zis_math;

/* How the schedule of image to image follows from the strength (scheduler.md 6, 3). */
typedef enum zis_strength_rule {
    ZIS_STRENGTH_DIFFSYNTH, /* all steps, from the noise level of the strength */
    ZIS_STRENGTH_DIFFUSERS, /* the last steps of the whole schedule */
} zis_strength_rule;

/* Pictures that come with a request. */
typedef enum zis_picture_slot {
    ZIS_PICTURE_INIT,    /* image to image starts here */
    ZIS_PICTURE_MASK,    /* white: painted anew; black: kept */
    ZIS_PICTURE_CONTROL, /* what the ControlNet follows, before its preprocessor */
    ZIS_PICTURE_COUNT
} zis_picture_slot;

/* What is asked for. */
typedef enum zis_request_task {
    ZIS_TASK_GENERATE,
    ZIS_TASK_UPSCALE, /* picture[INIT], larger (upscale.md) */
    ZIS_TASK_COUNT
} zis_request_task;

/* What becomes of the control picture before the ControlNet sees it. */
typedef enum zis_preprocess_kind {
    ZIS_PREPROCESS_NONE, /* it is a map already */
    ZIS_PREPROCESS_CANNY,
    ZIS_PREPROCESS_DEPTH,
    ZIS_PREPROCESS_POSE,
    ZIS_PREPROCESS_COUNT
} zis_preprocess_kind;

/* A LoRA by path or name (loras.h). */
typedef struct zis_request_lora {
    char *file;
    double strength;
    char *path; /* where it lies, when `file` is only how a person calls it; or NULL */
} zis_request_lora;

typedef struct zis_request {
    char *prompt;          /* may hold any UTF-8 but NUL; never NULL after init */
    char *negative_prompt; /* used when cfg is not 1 */
    char *model;           /* preset, Hub id, folder or file; never NULL */
    char *text_encoder;    /* paths of single parts, or NULL */
    char *vae;
    char *tokenizer;
    int width, height; /* pixels, any size */
    int steps;
    double cfg;   /* DiffSynth's scale: 1 = one pass without the negative prompt */
    double shift; /* of the schedule */
    int64_t seed; /* -1: drawn when the job starts */
    int batch;    /* pictures, with seeds seed, seed + 1, ... */
    int rng;      /* zis_rng_kind */
    int sampler;  /* row of the sampler table (sampler.h) */
    int math;     /* zis_math */

    char *image; /* names of the pictures, for the recipe, or NULL */
    char *mask;  /* needs image */
    char *control_image;
    double strength;                   /* of image to image: 0 keeps the picture, 1 forgets it */
    int strength_rule;                 /* zis_strength_rule */
    char *control_net;                 /* file, or a name; NULL: the one that fits the model */
    double control_strength;           /* of all hints; 0 to 2 */
    double control_start, control_end; /* fractions of the steps */
    int preprocess;                    /* zis_preprocess_kind, of the control picture */
    char *preprocess_weights;          /* checkpoint for it; NULL: the usual places */
    zis_image *picture[ZIS_PICTURE_COUNT]; /* owned (shared with copies), or NULL */

    int task;       /* zis_request_task */
    char *upscaler; /* file or preset; NULL: the one that fits the model */
    double scale;   /* of the picture to be upscaled, where no size is given */
    int tile;       /* pixels of a side that the upscaler sees at once */
    int refine;     /* 0: the upscaler's result as it is; 1: drawn over by the model */

    zis_request_lora *loras; /* owned; applied in this order */
    int n_loras;

    uint64_t given; /* bit i: field i of the table was set by someone */
} zis_request;

typedef enum zis_field_type {
    ZIS_FIELD_TEXT,   /* char * */
    ZIS_FIELD_PATH,   /* char *, a name in the file system */
    ZIS_FIELD_INT,    /* int */
    ZIS_FIELD_INT64,  /* int64_t */
    ZIS_FIELD_REAL,   /* double */
    ZIS_FIELD_CHOICE, /* int, index into `choices` */
    ZIS_FIELD_LORAS,  /* loras and n_loras; setting it adds to the list (request_loras.h) */
} zis_field_type;

/* Where a field applies. */
enum {
    ZIS_FIELD_GENERATE = 1, /* command line of `generate` */
    ZIS_FIELD_RECIPE = 2,   /* travels in the picture */
    ZIS_FIELD_HTTP = 4,     /* may be set by a request over the network */
    ZIS_FIELD_RESULT = 8,   /* part of what --json prints */
    ZIS_FIELD_BENCH = 16,   /* command line of `bench` */
    ZIS_FIELD_UPSCALE = 32, /* command line of `upscale` */
};

/* Defaults that follow the model. */
typedef struct zis_request_defaults {
    int width, height, steps;
    double cfg, shift;
} zis_request_defaults;

/* A field has a say only where a choice of another has one of these values. */
typedef struct zis_field_only {
    const char *field; /* or NULL: always */
    unsigned values;   /* bit of each */
    bool mild;         /* a flag that has none then is worth a warning, and no error */
} zis_field_only;

typedef struct zis_field {
    const char *name;  /* JSON key */
    const char *flags; /* long options without dashes, separated by spaces; the first is shown */
    char short_flag;   /* or 0 */
    zis_field_type type;
    size_t offset; /* in zis_request */
    double lo, hi; /* of numbers */
    const char *const *choices;
    ptrdiff_t model_default; /* offset in zis_request_defaults, or -1 */
    const char *fallback;    /* default as text where the model has no say; NULL: none */
    const char *upscaling; /* default of the task upscale, where that is another one: the value, or
                            * words about it where the model or the picture has a say */
    const char *unit;      /* "pixels", or NULL */
    const char *metavar;   /* shown after the flag */
    const char *a1111;     /* its name in an A1111 parameter text, or NULL */
    const char *help;      /* one sentence without its full stop; for HTTP, too: no flags in it */
    const char *shell;     /* what a command line adds to it, or NULL */
    unsigned where;
    unsigned tasks;    /* bit of each zis_request_task: it matters in these alone; 0: in all */
    unsigned pictures; /* bit of each slot: it matters with one of these alone; 0: always */
    zis_field_only only;
} zis_field;

size_t zis_request_field_count(void);
const zis_field *zis_request_field_at(size_t i);
/* By JSON key; NULL if there is none. */
const zis_field *zis_request_field(const char *name);

ZIS_MUST_USE zis_status zis_request_init(zis_request *r, zis_error *err);
void zis_request_deinit(zis_request *r);
ZIS_MUST_USE zis_status zis_request_copy(zis_request *to, const zis_request *from, zis_error *err);

/* Moves a decoded picture into its slot; NULL empties it. */
void zis_request_take_picture(zis_request *r, zis_picture_slot slot, zis_image *picture);
/* The field that names the picture of a slot. */
const zis_field *zis_request_picture_field(zis_picture_slot slot);
/* "none", "canny", ...; NULL behind the last. */
const char *zis_request_preprocess_name(int kind);

/* Adds one at the end; the name is copied. The second form says where the file lies: `file` is then
 * what people and recipes see of it. */
ZIS_MUST_USE zis_status zis_request_add_lora(zis_request *r,
                                             const char *file,
                                             double strength,
                                             zis_error *err);
ZIS_MUST_USE zis_status zis_request_add_lora_at(
    zis_request *r, const char *file, const char *path, double strength, zis_error *err);

/* From text, as a flag or a recipe gives it: parsed strictly and checked against the range. `said`
 * is what the person wrote ("--steps"), for the message. */
ZIS_MUST_USE zis_status zis_request_set(
    zis_request *r, const zis_field *f, const char *said, const char *value, zis_error *err);
/* A text of known length (standard input, a file): refuses NUL and bytes that are not UTF-8. */
ZIS_MUST_USE zis_status zis_request_set_text(zis_request *r,
                                             const zis_field *f,
                                             const char *said,
                                             const char *value,
                                             size_t len,
                                             zis_error *err);
/* Says what is asked for, as if the field had been set. */
void zis_request_set_task(zis_request *r, zis_request_task task);
bool zis_request_given(const zis_request *r, const zis_field *f);
/* Whether the field belongs to what this request is about: strength does not without a picture. */
bool zis_request_matters(const zis_request *r, const zis_field *f);
/* Whether `only` leaves the field a say when that choice has this value. */
bool zis_field_suits(const zis_field *f, int value);
/* *why: a new string when the field has no say in this request, in words that follow "--strength
 * does nothing " (without --image), or NULL; *mild: a warning will do. For flags alone: a form
 * sends all its fields. */
ZIS_MUST_USE zis_status
zis_request_idle(char **why, bool *mild, const zis_request *r, const zis_field *f, zis_error *err);
/* The defaults of the task upscale that are values, where nobody set the field. */
ZIS_MUST_USE zis_status zis_request_upscaling_apply(zis_request *r, zis_error *err);
/* Fills what nobody set. */
void zis_request_defaults_apply(zis_request *r, const zis_request_defaults *d);
/* Once more all ranges, for requests that were filled by hand, and what fields and pictures say
 * together. */
ZIS_MUST_USE zis_status zis_request_check(const zis_request *r, zis_error *err);

/* Appends `"key": value` pairs of all fields that apply to `where`, separated by ", "; for a recipe
 * (where is ZIS_FIELD_RECIPE) of those that matter. */
void zis_request_to_json(zis_buf *out, const zis_request *r, unsigned where);
/* Takes every field that applies to `where` from a JSON object; members that are no fields are
 * left alone. `what` names the text in messages. */
ZIS_MUST_USE zis_status zis_request_from_json(
    zis_request *r, const char *what, const char *json, size_t len, unsigned where, zis_error *err);

/* Appends the field's value as text ("8", "euler", the prompt); nothing for a text that is NULL. */
void zis_request_value_text(zis_buf *out, const zis_request *r, const zis_field *f);
/* Appends the field's value as JSON; a text that is NULL gives null. */
void zis_request_value_json(zis_buf *out, const zis_request *r, const zis_field *f);

#endif
