/* ops.h - the table of operations: all that a model may ask of a device.
 *
 * Models are written once, against this table. An operation is enqueued and does not answer: its
 * failures go to the run (run.h), where the model looks once at its end. So a whole step can be
 * captured as a graph on a device that can do that, and runs at once on one that cannot.
 *
 * Layouts: activations are float32 matrices [rows, columns], one row a token or a pixel (NHWC:
 * [H, W, C] with C contiguous). Weights of products are [out, in] as stored, in F32, BF16 or F16;
 * small vectors (norm gains, biases) are float32. `math` of the run says what the inputs of matrix
 * products are rounded to; sums and all else are float32.
 *
 * Every argument struct lists outputs first. Outputs must not overlap inputs unless said.
 *
 * Numeric guard: rms_norm, gate_residual, layer_norm, group_norm (also in front of a conv2d) and
 * finite make the run fail (ZIS_NUMERIC) when a value that they read or the new x is NaN, infinite,
 * or so large that its square is. The norms have the sum of squares at hand, so blocks are watched
 * at no cost. Threads: as the run. */
#ifndef ZIS_KERNELS_OPS_H
#define ZIS_KERNELS_OPS_H

#include "tensor/tensor.h"

typedef struct zis_run zis_run;

/* What a LoRA adds to a matrix W [N, K] of weights while it is attached: scale * D (lora.md 1). */
typedef enum zis_delta_kind {
    ZIS_DELTA_LOW_RANK, /* D = b a: b [N, r], a [r, K] */
    ZIS_DELTA_FULL,     /* D = b [N, K] */
    ZIS_DELTA_HADAMARD, /* D = (b a) .* (d c), element by element: b, d [N, r]; a, c [r, K] */
    ZIS_DELTA_KRON,     /* D = rows `row` .. row + N - 1 of kron(c, b) or, where a has data, of
                         * kron(c, b a): c [n1, k1]; b [p, q], or b [p, r] with a [r, q];
                         * k1 q = K */
} zis_delta_kind;

/* Tensors that are not named above have no data. Those of LOW_RANK, and b of FULL and of KRON
 * without a, are F32, BF16 or F16 as they lie in a file; all others are F32. */
typedef struct zis_delta {
    zis_delta_kind kind;
    float scale;
    zis_tensor a, b, c, d; /* dense, borrowed */
    int64_t row;           /* of KRON */
} zis_delta;

/* A matrix of weights: as stored (a view of the mapped file) and the form that a device has made of
 * it (packed panels, another type), owned by the device; NULL where it uses the stored one.
 * Deltas are for `linear` alone: LOW_RANK as two small products, y += (scale * x a') b', which
 * rounds its inputs x, a, scale * x a' and b as the run's math says; the others are added to the
 * stored values in float32, before W is rounded. */
typedef struct zis_weight {
    zis_tensor t;
    void *form;
    const char *name;       /* for messages; borrowed; may be NULL */
    const zis_delta *delta; /* [deltas], borrowed; attached by nn/lora.h */
    int deltas;
} zis_weight;

/* ---- linear: y[m, n] = sum_k x[m, k] * w[n, k] + bias[n], then the epilogue ------------------ */
typedef enum zis_epilogue {
    ZIS_EPILOGUE_NONE,
    ZIS_EPILOGUE_ADD,      /* y += product: y holds the residual and is read */
    ZIS_EPILOGUE_SILU,     /* y = silu(product), silu(v) = v / (1 + exp(-v)) */
    ZIS_EPILOGUE_GELU,     /* y = gelu(product), gelu(v) = v / 2 * (1 + erf(v / sqrt(2))) */
    ZIS_EPILOGUE_SILU_MUL, /* two weights: y = silu(x w0') * (x w1') */
} zis_epilogue;

typedef struct zis_linear_args {
    zis_tensor y;           /* [M, N]; N = sum of the weights' rows, or of w[0]'s for SILU_MUL */
    zis_tensor x;           /* [M, K] */
    const zis_weight *w[3]; /* [N_i, K] each; results side by side in y's columns */
    int n_w;                /* 1..3; 2 for SILU_MUL */
    const float *bias;      /* [N] or NULL; not with SILU_MUL */
    zis_epilogue epilogue;
    bool exact; /* float32 inputs whatever the run's math is (small, delicate products) */
    bool fine;  /* where math is BF16: x as the sum of two bfloat16 (16 bits), weights as stored */
} zis_linear_args;

/* ---- rms_norm: y[m, :] = x[m, :] / sqrt(mean(x[m, :]^2) + eps) * w * scale ------------------- */
typedef struct zis_rms_norm_args {
    zis_tensor y;       /* [M, D]; may be x */
    zis_tensor x;       /* [M, D] */
    const float *w;     /* [D] */
    const float *scale; /* [D] (1 + the modulation) or NULL */
    float eps;
} zis_rms_norm_args;

/* ---- gate_residual: x += gate * rms(o) * w; then, if y has data, y = rms_norm(x) as above ---- */
typedef struct zis_gate_residual_args {
    zis_tensor x;            /* [M, D], read and written */
    zis_tensor y;            /* [M, D] or no data: norm of the new x, fused */
    zis_tensor o;            /* [M, D] */
    const float *w;          /* [D] */
    const float *gate;       /* [D] (after tanh) or NULL = 1 */
    const float *next_w;     /* [D], of the fused norm */
    const float *next_scale; /* [D] or NULL */
    float eps;               /* of both norms */
} zis_gate_residual_args;

/* ---- layer_norm: y = (x - mean) / sqrt(var + eps) * scale + bias, biased variance ------------ */
typedef struct zis_layer_norm_args {
    zis_tensor y; /* [M, D]; may be x */
    zis_tensor x;
    const float *scale; /* [D] or NULL */
    const float *bias;  /* [D] or NULL */
    float eps;
} zis_layer_norm_args;

/* ---- qk_norm_rope: in place on [q | k | v] rows: per head h of q and k,
 *      u = rms(head) * w, then rotated by the row's angles; v is left alone -------------------- */
typedef enum zis_rope_form {
    ZIS_ROPE_PAIRS,  /* (u[2m], u[2m+1]) is one complex number (z-image.md 4.5) */
    ZIS_ROPE_HALVES, /* (u[m], u[m + head_dim/2]) is one (text-encoder.md 3) */
} zis_rope_form;

typedef struct zis_qk_norm_rope_args {
    zis_tensor qkv; /* [L, (heads + 2 * kv_heads) * head_dim] */
    int heads;
    int kv_heads;
    int head_dim;     /* even */
    const float *q_w; /* [head_dim] */
    const float *k_w;
    float eps;
    zis_rope_form form;
    zis_tensor cos; /* [L, head_dim / 2] */
    zis_tensor sin;
} zis_qk_norm_rope_args;

/* ---- attention: o = softmax(q k' * scale) v per head; query head h reads kv head
 *      h / (heads / kv_heads); causal: query i sees keys 0..i -----------------------------------
 */
typedef struct zis_attention_args {
    zis_tensor o; /* [Lq, heads * head_dim] */
    zis_tensor q; /* [Lq, heads * head_dim], any stride */
    zis_tensor k; /* [Lk, kv_heads * head_dim] */
    zis_tensor v;
    int heads;
    int kv_heads;
    int head_dim;
    float scale; /* > 0 */
    bool causal; /* then Lq = Lk */
    bool exact;  /* float32 probabilities and values whatever the run's math is; scores are
                  * never rounded */
} zis_attention_args;

/* ---- embed_rows: y[i, :] = table[ids[i], :] widened to float32 --------------------------------
 */
typedef struct zis_embed_rows_args {
    zis_tensor y;            /* [n, D] */
    const zis_weight *table; /* [V, D] */
    zis_tensor ids;          /* [n] I32, 0 <= id < V (checked by the caller) */
} zis_embed_rows_args;

/* ---- fill_rows: each row of y = v; used for pad tokens ----------------------------------------
 */
typedef struct zis_fill_rows_args {
    zis_tensor y;   /* [M, D] */
    const float *v; /* [D] */
} zis_fill_rows_args;

/* ---- patchify: y[(i*Wt + j), (ph*p + pw)*C + c] = x[c, p*i+ph, p*j+pw]; rows of y beyond
 *      Ht*Wt repeat the last token (z-image.md 4.1); unpatchify is the inverse: x from y's first
 *      Ht*Wt rows, times `mul` ------------------------------------------------------------------
 */
typedef struct zis_patchify_args {
    zis_tensor y; /* [>= Ht*Wt, p*p*C] */
    zis_tensor x; /* [C, h, w] */
    int patch;
} zis_patchify_args;

typedef struct zis_unpatchify_args {
    zis_tensor x; /* [C, h, w] */
    zis_tensor y; /* [>= Ht*Wt, p*p*C] */
    int patch;
    float mul;
} zis_unpatchify_args;

/* ---- unary: y = f(x), element by element ------------------------------------------------------
 */
typedef enum zis_unary_fn {
    ZIS_UNARY_COPY,
    ZIS_UNARY_SILU,
    ZIS_UNARY_TANH,
    ZIS_UNARY_ADD_ONE, /* 1 + x */
    ZIS_UNARY_RELU,    /* max(x, 0) */
    ZIS_UNARY_GELU,    /* x / 2 * (1 + erf(x / sqrt(2))) */
} zis_unary_fn;

typedef struct zis_unary_args {
    zis_tensor y; /* [M, D], any stride; may be x */
    zis_tensor x;
    zis_unary_fn f;
} zis_unary_args;

/* ---- affine: y = a * x + b * z + c, element by element, one rounding each from left to right;
 *      z may have no data (b unused). Euler's step is y = 1 * x + dt * v ------------------------
 */
typedef struct zis_affine_args {
    zis_tensor y; /* may be x or z */
    zis_tensor x;
    zis_tensor z;
    float a, b, c;
} zis_affine_args;

/* ---- guide: y = neg + s * (pos - neg) (scheduler.md 4) ----------------------------------------
 */
typedef struct zis_guide_args {
    zis_tensor y; /* may be pos or neg */
    zis_tensor pos;
    zis_tensor neg;
    float s;
} zis_guide_args;

/* ---- mix: y = (1 - m) * x + m * z, element by element, each product rounded: where m is 1 it is
 * z, where m is 0 it is x ------------------------------------------------------------------------
 */
typedef struct zis_mix_args {
    zis_tensor y; /* may be x or z */
    zis_tensor x;
    zis_tensor z;
    zis_tensor m;
} zis_mix_args;

/* ---- finite: nothing but the numeric guard, where no norm follows ------------------------------
 */
typedef struct zis_finite_args {
    zis_tensor x;
} zis_finite_args;

/* ---- planes_to_pixels: y[i, j, c] = x[c, i, j] * mul + add; pixels_to_planes: the inverse order -
 */
typedef struct zis_planes_args {
    zis_tensor y; /* [H, W, C] / [C, H, W] */
    zis_tensor x; /* [C, H, W] / [H, W, C] */
    float mul;
    float add;
} zis_planes_args;

/* ---- group_norm: y = f( (x - mean_g) / sqrt(var_g + eps) * w + b + add ), groups of C / groups
 *      consecutive channels over all pixels, biased variance; f is SiLU, ReLU or nothing ------ */
typedef struct zis_group_norm_args {
    zis_tensor y; /* [H, W, C]; may be x */
    zis_tensor x;
    const float *w; /* [C] */
    const float *b;
    int groups;
    float eps;
    bool silu;      /* not with add */
    bool relu;      /* not with silu */
    zis_tensor add; /* [H, W, C] or no data: residual; not y */
} zis_group_norm_args;

/* ---- conv2d: y[i, j, n] = scale * f(bias[n]
 *      + sum over dy, dx, c of w[n, c, dy, dx] * u[i*stride + dy - pad, j*stride + dx - pad, c])
 *      + add_scale * add[i, j, n] + more[i, j, n],
 *      u = x, optionally group-normalised (+ SiLU or ReLU) first, or ReLU alone, optionally
 *      nearest-upsampled x2; zeros outside (after the norm); f the activation. Pixels of x, y, add
 *      and more may lie any distance apart, so that a layer can append its channels to those of
 *      the layers before it ---------------------------------------------------------------------
 */
typedef enum zis_activation {
    ZIS_ACTIVATION_NONE,
    ZIS_ACTIVATION_RELU,
    ZIS_ACTIVATION_LEAKY, /* v > 0 ? v : slope * v */
    ZIS_ACTIVATION_PRELU, /* the same with a slope for each channel */
} zis_activation;

typedef struct zis_conv2d_args {
    zis_tensor y;        /* [H', W', N] */
    zis_tensor x;        /* [H, W, C]; dense where it is normalised */
    const zis_weight *w; /* [N, C, k, k], k = 1, 3, 5 or 7 */
    const float *bias;   /* [N] or NULL */
    zis_activation activation;
    float slope;         /* of LEAKY */
    const float *slopes; /* [N], of PRELU */
    float scale;         /* 0 stands for 1 */
    zis_tensor add;      /* [H', W', N] or no data: residual; may be y */
    float add_scale;     /* 0 stands for 1 */
    zis_tensor more;     /* [H', W', N] or no data: a second one; may be y */
    int stride;          /* 1 or 2 */
    /* With stride 1, y may hold some rows of the result only: those from `skip` on, as many as it
     * has. Edges are where x ends, so a band of a picture needs a row of its neighbours in x. */
    int skip;
    int pad;       /* rows and columns of zeros before the first; behind the last as H' needs */
    bool upsample; /* nearest x2 before the convolution: H' = 2 H; stride 1 */
    /* fused prologue: group norm of x; groups = 0: none */
    int groups;
    const float *norm_w; /* [C] */
    const float *norm_b;
    float eps;
    bool silu;
    bool relu;  /* of x, behind the norm where there is one; not with silu */
    bool exact; /* float32 inputs whatever the run's math is, and no algorithm that trades accuracy
                 * for speed */
} zis_conv2d_args;

/* ---- max_pool: y[i, j, c] = max over dy, dx < k of x[i*stride + dy - pad, j*stride + dx - pad,
 * c]; what lies outside does not count ------------------------------------------------------ */
typedef struct zis_max_pool_args {
    zis_tensor y; /* [H', W', C], windows that begin before the end of x */
    zis_tensor x; /* [H, W, C] */
    int k;
    int stride;
    int pad; /* rows and columns before the first; less than k */
} zis_max_pool_args;

/* ---- bilinear: y[i, j, c] from the four pixels of x around (i', j'), in both axes
 *      i' = i (H-1)/(H'-1) with `corners` (0 where H' = 1), else max((i+1/2) H/H' - 1/2, 0);
 *      beyond the last pixel the last one counts ---------------------------------------------- */
typedef struct zis_bilinear_args {
    zis_tensor y; /* [H', W', C] */
    zis_tensor x; /* [H, W, C] */
    bool corners; /* the corners of both are the same points */
} zis_bilinear_args;

/* ---- pixel_shuffle: y[i*r + di, j*r + dj, c] = x[i, j, (c*r + di)*r + dj] + add[i, j, c] --------
 */
typedef struct zis_pixel_shuffle_args {
    zis_tensor y;   /* [r*H, r*W, C] */
    zis_tensor x;   /* [H, W, C*r*r] */
    zis_tensor add; /* [H, W, C] or no data: enlarged to the nearest pixel */
    int factor;     /* r */
} zis_pixel_shuffle_args;

/* slot, argument struct */
#define ZIS_OPS_LIST(X)                                                                            \
    X(linear, zis_linear_args)                                                                     \
    X(rms_norm, zis_rms_norm_args)                                                                 \
    X(gate_residual, zis_gate_residual_args)                                                       \
    X(layer_norm, zis_layer_norm_args)                                                             \
    X(qk_norm_rope, zis_qk_norm_rope_args)                                                         \
    X(attention, zis_attention_args)                                                               \
    X(embed_rows, zis_embed_rows_args)                                                             \
    X(fill_rows, zis_fill_rows_args)                                                               \
    X(patchify, zis_patchify_args)                                                                 \
    X(unpatchify, zis_unpatchify_args)                                                             \
    X(unary, zis_unary_args)                                                                       \
    X(affine, zis_affine_args)                                                                     \
    X(guide, zis_guide_args)                                                                       \
    X(mix, zis_mix_args)                                                                           \
    X(finite, zis_finite_args)                                                                     \
    X(planes_to_pixels, zis_planes_args)                                                           \
    X(pixels_to_planes, zis_planes_args)                                                           \
    X(group_norm, zis_group_norm_args)                                                             \
    X(conv2d, zis_conv2d_args)                                                                     \
    X(max_pool, zis_max_pool_args)                                                                 \
    X(bilinear, zis_bilinear_args)                                                                 \
    X(pixel_shuffle, zis_pixel_shuffle_args)

typedef struct zis_ops {
    const char *name; /* "cpu", "ref", "dry", ... */
#define X(slot, args) void (*slot)(zis_run * run, const args *a);
    ZIS_OPS_LIST(X)
#undef X
} zis_ops;

#endif
