/* openpose_skeleton.c - the tables of the body. */
#include "models/preprocess/openpose_skeleton.h"

#include "tensor/image.h"

#include <math.h>

const zis_openpose_limb zis_openpose_skeleton_limbs[ZIS_OPENPOSE_LIMBS] = {
    {1, 2, {12, 13}},  {1, 5, {20, 21}},   {2, 3, {14, 15}},  {3, 4, {16, 17}},  {5, 6, {22, 23}},
    {6, 7, {24, 25}},  {1, 8, {0, 1}},     {8, 9, {2, 3}},    {9, 10, {4, 5}},   {1, 11, {6, 7}},
    {11, 12, {8, 9}},  {12, 13, {10, 11}}, {1, 0, {28, 29}},  {0, 14, {30, 31}}, {14, 16, {34, 35}},
    {0, 15, {32, 33}}, {15, 17, {36, 37}}, {2, 16, {18, 19}}, {5, 17, {26, 27}},
};

const char *zis_openpose_skeleton_name(int joint)
{
    static const char *const names[ZIS_OPENPOSE_JOINTS] = {
        "nose",       "neck",       "right shoulder", "right elbow", "right wrist", "left shoulder",
        "left elbow", "left wrist", "right hip",      "right knee",  "right ankle", "left hip",
        "left knee",  "left ankle", "right eye",      "left eye",    "right ear",   "left ear"};
    return joint >= 0 && joint < ZIS_OPENPOSE_JOINTS ? names[joint] : "background";
}

zis_status zis_openpose_skeleton_size(zis_openpose_size *out,
                                      int picture_width,
                                      int picture_height,
                                      zis_error *err)
{
    if (picture_width < 1 || picture_height < 1 ||
        (int64_t)picture_width * picture_height > ZIS_IMAGE_MAX_PIXELS)
        return zis_fail(err, ZIS_ARG, "cannot look for people in a picture of %d x %d",
                        picture_width, picture_height);
    double scale = 0.5 * 368 / picture_height; /* one scale of a box of 368 pixels */
    zis_openpose_size s = {.real_width = picture_width * scale,
                           .real_height = picture_height * scale};
    if (s.real_width < 1)
        return zis_fail(err, ZIS_ARG,
                        "a picture of %d x %d is too tall and narrow to look for people; crop it",
                        picture_width, picture_height);
    if ((s.real_width + 8) * (s.real_height + 8) > ZIS_IMAGE_MAX_PIXELS)
        return zis_fail(err, ZIS_ARG,
                        "a picture of %d x %d is too wide and low to look for people; crop it",
                        picture_width, picture_height);
    s.width = (int)s.real_width;
    s.height = (int)s.real_height;
    s.padded_width = (s.width + 7) / 8 * 8;
    s.padded_height = (s.height + 7) / 8 * 8;
    *out = s;
    return ZIS_OK;
}
