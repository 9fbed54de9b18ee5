# embed.cmake - puts the files of a folder into the program: OUT/assets_data.S and OUT/assets_table.c.
#
#     cmake -D WEB=web -D OUT=build/web -P tools/embed.cmake
#
# Each file is there as it is and gzipped, where that is smaller by a tenth. Only the stylesheets and the modules are
# joined, to css/page.css and js/main.js: a browser asks for six files at a time, and each costs more than its bytes.
cmake_minimum_required(VERSION 3.25)
file(GLOB_RECURSE files RELATIVE "${WEB}" "${WEB}/*")
list(SORT files)
set(joined "") # what went into another file

# ---- the stylesheets that index.html names, in its order --------------------------------------------------------

file(READ "${WEB}/index.html" page)
string(REGEX MATCHALL "<link rel=\"stylesheet\" href=\"css/[a-z]+\\.css\">\n" links "${page}")
set(styles "")
set(one "<link rel=\"stylesheet\" href=\"css/page.css\">\n")
foreach(link ${links})
  string(REGEX REPLACE ".*href=\"(.*)\".*" "\\1" f "${link}")
  file(READ "${WEB}/${f}" text)
  string(APPEND styles "${text}")
  string(REPLACE "${link}" "${one}" page "${page}")
  set(one "")
  list(APPEND joined "${f}")
endforeach()
if(page MATCHES "\\.css.*\\.css")
  message(FATAL_ERROR "${WEB}/index.html: a stylesheet is not written as <link rel=\"stylesheet\" href=\"css/NAME.css\">")
endif()

# ---- the modules, each in a function of its own that returns what it exports, after those it imports ------------

# js/parts/slider.js: $parts_slider
function(name_module out f)
  string(REGEX REPLACE "^js/(.*)\\.js$" "$\\1" name "${f}")
  string(REPLACE "/" "_" name "${name}")
  set(${out} "${name}" PARENT_SCOPE)
endfunction()

# Appends to the global properties zis_modules (names of files) and zis_script. A module that asks for one that waits
# for it never comes to an end: cmake says so.
function(join_module f)
  get_property(done GLOBAL PROPERTY zis_modules)
  if(f IN_LIST done)
    return()
  endif()
  file(READ "${WEB}/${f}" text)
  set(text "\n${text}")
  get_filename_component(folder "${WEB}/${f}" DIRECTORY)
  string(REGEX MATCHALL "\nimport [^;]* from \"[^\"]*\"" imports "${text}")
  foreach(import ${imports})
    string(REGEX REPLACE "\nimport (.*) from \"(.*)\"" "\\1" names "${import}")
    string(REGEX REPLACE "\nimport (.*) from \"(.*)\"" "\\2" path "${import}")
    file(RELATIVE_PATH path "${WEB}" "${folder}/${path}")
    join_module("${path}")
    name_module(module "${path}")
    string(REPLACE "* as " "" names "${names}")
    string(REPLACE " as " ": " names "${names}")
    string(REPLACE "${import}" "\nconst ${names} = ${module}" text "${text}")
  endforeach()
  set(exports "")
  string(REGEX MATCHALL "\nexport (async )?(function|const|class) [A-Za-z0-9_]+" lines "${text}")
  foreach(line ${lines})
    string(REGEX REPLACE ".* " "" name "${line}")
    string(APPEND exports "${name}, ")
  endforeach()
  string(REGEX REPLACE "\nexport (async |)(function|const|class) " "\n\\1\\2 " text "${text}")
  if(text MATCHES "\n((import|export)[^\n]*)")
    message(FATAL_ERROR "${WEB}/${f}: tools/embed.cmake cannot join '${CMAKE_MATCH_1}'")
  endif()
  name_module(module "${f}")
  set_property(GLOBAL APPEND PROPERTY zis_modules "${f}")
  set_property(GLOBAL APPEND_STRING PROPERTY zis_script "const ${module} = (() => {${text}return { ${exports}};\n})();\n")
endfunction()

join_module("js/main.js")
get_property(modules GLOBAL PROPERTY zis_modules)
get_property(script GLOBAL PROPERTY zis_script)
list(APPEND joined ${modules})

file(WRITE "${OUT}/index.html" "${page}")
file(WRITE "${OUT}/css/page.css" "${styles}")
file(WRITE "${OUT}/js/main.js" "${script}")
set(made index.html css/page.css js/main.js)
list(REMOVE_ITEM files ${joined} index.html)
list(APPEND files ${made})

# ---- all files ---------------------------------------------------------------------------------------------------

set(data "    .section .rodata\n")
set(names "")
set(rows "")
set(i 0)
foreach(f ${files})
  if(NOT f MATCHES "\\.(html|css|js|json|webmanifest|svg|png|ico|woff2|txt)$" OR f MATCHES "(^|/)\\.")
    continue()
  endif()
  set(from "${WEB}/${f}")
  if(f IN_LIST made)
    set(from "${OUT}/${f}")
  endif()
  set(gz "${OUT}/${i}.gz")
  execute_process(COMMAND gzip -9 -n -c "${from}" OUTPUT_FILE "${gz}" RESULT_VARIABLE rc)
  if(rc)
    message(FATAL_ERROR "gzip cannot read ${from}")
  endif()
  file(SIZE "${from}" plain)
  file(SIZE "${gz}" packed)
  math(EXPR limit "${plain} * 9 / 10")
  file(SHA256 "${from}" hash)
  string(SUBSTRING "${hash}" 0 20 hash)
  string(APPEND data "    .balign 16\n    .globl zis_asset_${i}\nzis_asset_${i}:\n    .incbin \"${from}\"\n    .byte 0\n")
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
