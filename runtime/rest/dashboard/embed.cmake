# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
#
# Files into a C source: cmake -DOUTPUT=FILE.c -DHEADER=… -DTYPE=… -DSYMBOL=… "-DFILES=a.html;b.js" -P embed.cmake
#
# Writes OUTPUT: an array SYMBOL of TYPE {name, media type, entity tag, bytes, end, gzip, end of that}, which HEADER declares, and
# SYMBOL_count. The bytes are brought in by the assembler (.incbin), which is quick for any size and needs no tool. @CHARTS@
# in .html files becomes what loads CHARTS.js and CHARTS.css, or nothing without -DCHARTS=NAME.
cmake_policy(VERSION 3.25)
set(ENV{SOURCE_DATE_EPOCH} 0) # no time in the gzip heads: the same sources give the same bytes
set(type_html "text/html; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_svg "image/svg+xml")
set(type_txt "text/plain; charset=utf-8")
set(charts "")
if(CHARTS)
    string(APPEND charts "<link rel=\"stylesheet\" href=\"-/dashboard/${CHARTS}.css\">\n"
        "<script defer src=\"-/dashboard/${CHARTS}.js\"></script>\n")
endif()
get_filename_component(folder ${OUTPUT} DIRECTORY)
set(folder ${folder}/${SYMBOL}_files)
file(REMOVE_RECURSE ${folder})
file(MAKE_DIRECTORY ${folder})

set(assembly "")
set(declarations "")
set(rows "")
set(number 0)
foreach(file IN LISTS FILES)
    get_filename_component(name ${file} NAME)
    string(REGEX MATCH "[a-z]+$" extension ${name})
    if(NOT type_${extension})
        message(FATAL_ERROR "embed.cmake: no media type for ${file}")
    endif()
    set(plain ${folder}/${name})
    if(extension STREQUAL "html")
        file(READ ${file} text)
        string(REPLACE "@CHARTS@\n" "${charts}" text "${text}")
        file(WRITE ${plain} "${text}")
    else()
        file(COPY_FILE ${file} ${plain})
    endif()
    file(ARCHIVE_CREATE OUTPUT ${plain}.gz PATHS ${plain} FORMAT raw COMPRESSION GZip COMPRESSION_LEVEL 9)
    file(SHA256 ${plain} digest)
    string(SUBSTRING ${digest} 0 20 tag)
    foreach(kind plain packed)
        set(symbol ${SYMBOL}_${number}_${kind})
        set(bytes ${plain})
        if(kind STREQUAL "packed")
            set(bytes ${plain}.gz)
        endif()
        string(APPEND assembly
            "    \".globl ${symbol}, ${symbol}_end\\n.hidden ${symbol}, ${symbol}_end\\n\"\n"
            "    \"${symbol}: .incbin \\\"${bytes}\\\"\\n${symbol}_end: .byte 0\\n\"\n")
        string(APPEND declarations "extern HIDDEN const unsigned char ${symbol}[], ${symbol}_end[];\n")
    endforeach()
    set(at "${SYMBOL}_${number}")
    string(APPEND rows "    {\"${name}\", \"${type_${extension}}\", \"\\\"${tag}\\\"\", ${at}_plain, ${at}_plain_end, "
        "${at}_packed, ${at}_packed_end},\n")
    math(EXPR number "${number} + 1")
endforeach()

file(WRITE ${OUTPUT} "/* Made by embed.cmake. */
#include \"${HEADER}\"

#define HIDDEN __attribute__((visibility(\"hidden\")))
__asm__(\".pushsection .rodata\\n\"
${assembly}    \".popsection\\n\");
${declarations}
const ${TYPE} ${SYMBOL}[] = {
${rows}};
const size_t ${SYMBOL}_count = ${number};
")
