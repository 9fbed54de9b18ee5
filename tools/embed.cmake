# embed.cmake - puts the files of a folder into the program: OUT/assets_data.S and OUT/assets_table.c.
#
#     cmake -D WEB=web -D OUT=build/web -P tools/embed.cmake
#
# Each file is there as it is and gzipped, where that is smaller by a tenth.
cmake_minimum_required(VERSION 3.25)
file(GLOB_RECURSE files RELATIVE "${WEB}" "${WEB}/*")
list(SORT files)
set(data "    .section .rodata\n")
set(names "")
set(rows "")
set(i 0)
foreach(f ${files})
  if(NOT f MATCHES "\\.(html|css|js|json|webmanifest|svg|png|ico|woff2|txt)$" OR f MATCHES "(^|/)\\.")
    continue()
  endif()
  set(gz "${OUT}/${i}.gz")
  execute_process(COMMAND gzip -9 -n -c "${WEB}/${f}" OUTPUT_FILE "${gz}" RESULT_VARIABLE rc)
  if(rc)
    message(FATAL_ERROR "gzip cannot read ${WEB}/${f}")
  endif()
  file(SIZE "${WEB}/${f}" plain)
  file(SIZE "${gz}" packed)
  math(EXPR limit "${plain} * 9 / 10")
  file(SHA256 "${WEB}/${f}" hash)
  string(SUBSTRING "${hash}" 0 20 hash)
  string(APPEND data "    .balign 16\n    .globl zis_asset_${i}\nzis_asset_${i}:\n    .incbin \"${WEB}/${f}\"\n    .byte 0\n")
  string(APPEND names "extern const unsigned char zis_asset_${i}[];\n")
  if(packed LESS limit)
    string(APPEND data "    .balign 16\n    .globl zis_asset_gz_${i}\nzis_asset_gz_${i}:\n    .incbin \"${gz}\"\n    .byte 0\n")
    string(APPEND names "extern const unsigned char zis_asset_gz_${i}[];\n")
    string(APPEND rows "    {\"/${f}\", \"\\\"${hash}\\\"\", zis_asset_${i}, zis_asset_gz_${i}, ${plain}, ${packed}},\n")
  else()
    string(APPEND rows "    {\"/${f}\", \"\\\"${hash}\\\"\", zis_asset_${i}, NULL, ${plain}, 0},\n")
  endif()
  math(EXPR i "${i} + 1")
endforeach()
string(APPEND data "    .section .note.GNU-stack,\"\",%progbits\n")
file(WRITE "${OUT}/assets_data.S" "${data}")
file(WRITE "${OUT}/assets_table.c" "#include \"server/assets.h\"\n\n${names}
static const zis_asset assets[] = {\n${rows}    {NULL, NULL, NULL, NULL, 0, 0},\n};

const zis_asset *zis_asset_at(size_t i)
{
    return i < ${i} ? &assets[i] : NULL;
}
")
