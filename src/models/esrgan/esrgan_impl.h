/* esrgan_impl.h - the weights of an upscaler, shared by weights.c (binds) and esrgan.c (runs). */
#ifndef ZIS_MODELS_ESRGAN_IMPL_H
#define ZIS_MODELS_ESRGAN_IMPL_H

#include "models/esrgan/esrgan.h"
#include "nn/bind.h"

#define ZIS_ESRGAN_DENSE 3 /* dense blocks in an RRDB */
#define ZIS_ESRGAN_CONVS 5 /* convolutions in a dense block */

typedef struct zis_esrgan_conv {
    zis_weight w;        /* [N, C, 3, 3] */
    const float *b;      /* [N] */
    const float *slopes; /* [N], of the activation behind it; or NULL */
} zis_esrgan_conv;

typedef struct zis_esrgan_dense {
    zis_esrgan_conv conv[ZIS_ESRGAN_CONVS];
} zis_esrgan_dense;

typedef struct zis_esrgan_rrdb {
    zis_esrgan_dense dense[ZIS_ESRGAN_DENSE];
} zis_esrgan_rrdb;

/* The convolutions around the blocks of an RRDBNet. */
typedef struct zis_esrgan_trunk {
    zis_esrgan_conv first, body, up1, up2, hr, last;
} zis_esrgan_trunk;

struct zis_esrgan {
    zis_esrgan_config config;
    zis_weights *owned; /* NULL when the caller keeps them */
    zis_bind bind;
    zis_esrgan_trunk trunk;  /* RRDB */
    zis_esrgan_rrdb *blocks; /* RRDB: [blocks] */
    zis_esrgan_conv *chain;  /* SRVGG: [blocks + 2] */
};

#endif
