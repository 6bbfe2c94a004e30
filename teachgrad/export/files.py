"""The files of an export: the header, the source with its loader and its example, and the weights.

A file of weights is a head of 32 bytes, then the arrays one after the other, in C order, as the struct of the header
lists them. The head: the text TGWEIGHT; the number 0x01020304 and the version of the format, in 32 bits each; a
fingerprint of names, types and shapes and the number of bytes that follow, in 64 bits each. All numbers are in the byte
order of the machine that exported; on one of the other order the loader sees it by the first number, and refuses.
"""

from __future__ import annotations

import hashlib
import struct

from ..dtypes import C_TYPES
from ..executors.c.spelling import bare, constant_array, literal, remark
from ..graph import describe
from ..op import Vertex
from ..version import __version__
from .standalone import Standalone, arguments, folded

MAGIC, MARK, VERSION = b"TGWEIGHT", 0x01020304, 1


def fingerprint(program: Standalone) -> int:
    """A number that two programs share only if their arrays have the same names, types and shapes."""
    text = "\n".join(f"{field.name} {field.array.dtype} {field.array.shape}" for field in program.fields)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def weights(program: Standalone) -> bytes:
    """The content of the file of weights."""
    arrays = b"".join(field.array.tobytes() for field in program.fields)
    return MAGIC + struct.pack("=IIQQ", MARK, VERSION, fingerprint(program), len(arrays)) + arrays


# ---- the header ------------------------------------------------------------------------------------------------------


def header(program: Standalone) -> str:
    """The text of the header."""
    stem, guard = program.stem, f"{program.stem.upper()}_H"
    text = "\n".join(f"   {line}".rstrip() for line in introduction(program)).lstrip()
    lines = [f"/* {text} */", f"#ifndef {guard}", f"#define {guard}", "",
             "#include <stdbool.h>", "#include <stddef.h>", "#include <stdint.h>", "", "#ifdef __cplusplus",
             'extern "C" {', "#endif", ""]
    if program.struct:
        lines += [f"typedef struct {stem}_{program.struct} {{"]
        lines += [f"    {field.declaration};  /* {field.words} */" for field in program.held]
        lines += [f"}} {stem}_{program.struct};", ""]
    if program.arena:
        lines += ["/* Room for the values of one call; what is in it between calls means nothing. */",
                  f"typedef struct {stem}_memory {{", f"    double arena[{program.arena // 8}];",
                  f"}} {stem}_memory;", ""]
    for comment, prototype in functions(program):
        lines += [f"/* {comment} */", *folded(f"{prototype};").split("\n"), ""]
    return "\n".join([*lines, "#ifdef __cplusplus", "}", "#endif", "", f"#endif  /* {guard} */", ""])


def introduction(program: Standalone) -> list[str]:
    """What the header says first."""
    graph, label = program.graph, program.label
    what = "a training step" if program.train else "inference"
    lines = [f"{remark(graph.name)} as C, written by teachgrad {__version__}: {what}.",
             "It needs libm alone, allocates nothing, and has no state but what it is given:",
             "threads may call it at the same time, each with memory of its own.", ""]
    outputs = [] if program.returned is not None else graph.outputs
    lines += [f"in   {label[v.id]}: {describe(v._data)}" for v in graph.inputs]
    lines += [f"out  {label[v.id]}: {describe(v._data)}" for v in outputs]
    if program.returned is not None:
        lines.append(f"it returns {remark(program.returned.name or 'the result')}: {program.returned.dtype}")
    return [*lines, "", "Arrays are in C order, of exactly these sizes, and do not overlap.", "",
            f"cc -std=c11 -O3 -fopenmp-simd -c {program.stem}.c      (the flag lets sums use vectors)"]


def functions(program: Standalone) -> list[tuple[str, str]]:
    """What the header declares: a comment and a prototype each."""
    stem, kind = program.stem, f"{program.stem}_{program.struct}"
    refused = "if a value is refused, such as an index out of range."
    if program.returned is not None:
        refusal = f"Returns nan, with nothing written, {refused}"
    else:
        refusal = f"Returns 0; 1, with nothing written to the state, {refused}" if program.train else \
            f"Returns 0; 1 {refused}"
    found = [(refusal, program.prototype)]
    if program.struct and program.embedded:
        found.append(("Sets the state to what it was when it was exported.", f"void {stem}_init({kind} *state)"))
    elif program.struct:
        found.append((f"Reads {stem}.weights. Returns 0; 1 if the file cannot be read, 2 if it is not one of weights,\n"
                      "   3 if it is for machines of the other byte order, 4 if it is for another model, 5 if it is "
                      "too short or too long.", f"int {stem}_load({kind} *{program.struct}, const char *path)"))
        if program.train:
            found.append(("Writes a file that load reads. Returns 0; 1 if it cannot be written.",
                          f"int {stem}_save(const {kind} *state, const char *path)"))
    sizes = ["memory"] if program.arena else []
    sizes += [program.struct] if program.struct else []
    return found + [(f"The bytes of the {what}, for other languages.", f"size_t {stem}_size_of_{what}(void)")
                    for what in sizes]


# ---- the source ------------------------------------------------------------------------------------------------------


def source(program: Standalone) -> str:
    """The text of the source."""
    parts = [program.source.rstrip("\n"), ""]
    sizes = [prototype for _, prototype in functions(program) if "_size_of_" in prototype]
    for prototype in sizes:
        what = prototype.partition("_size_of_")[2].partition("(")[0]
        parts += [prototype, "{", f"    return sizeof({program.stem}_{what});", "}", ""]
    if program.struct:
        parts += initial(program) if program.embedded else loader(program)
    return "\n".join(line for part in [*parts, *example(program)] for line in folded(part).split("\n"))


def initial(program: Standalone) -> list[str]:
    """The function that sets the state to its first values."""
    lines: list[str] = []
    body: list[str] = []
    for field in program.held:
        if not field.array.ndim:
            body.append(f"    state->{field.name} = {bare(literal(field.array[()], field.array.dtype))};")
        elif field.array.any():
            lines += constant_array(f"initial_{field.name}", field.array, field.words)
            body.append(f"    memcpy(state->{field.name}, initial_{field.name}, sizeof state->{field.name});")
        else:
            body.append(f"    memset(state->{field.name}, 0, sizeof state->{field.name});")
    stem = program.stem
    return [*lines, f"void {stem}_init({stem}_state *state)", "{", *body, "}", ""]


def loader(program: Standalone) -> list[str]:
    """The functions that read the file of weights and, for training, write one."""
    stem, name = program.stem, program.struct
    kind = f"{stem}_{name}"
    size = sum(field.array.nbytes for field in program.fields)
    facts = [f"static const uint64_t layout[2] = {{UINT64_C({fingerprint(program):#x}), UINT64_C({size})}};",
             "/* A fingerprint of names, types and shapes, and the bytes of all arrays. */", ""]
    read = [f"static int read_all({kind} *{name}, FILE *file)", "{",
            "    char magic[8];", "    uint32_t mark[2];", "    uint64_t found[2];",
            f'    if (fread(magic, 1, 8, file) != 8 || memcmp(magic, "{MAGIC.decode()}", 8) != 0) return 2;',
            "    if (fread(mark, sizeof mark, 1, file) != 1) return 5;",
            f"    if (mark[0] != {MARK:#010x}) return 3;",
            f"    if (mark[1] != {VERSION}) return 4;",
            "    if (fread(found, sizeof found, 1, file) != 1) return 5;",
            "    if (memcmp(found, layout, sizeof found) != 0) return 4;"]
    read += [f"    if (fread({field.address(name)}, sizeof {name}->{field.name}, 1, file) != 1) return 5;"
             for field in program.held]
    read += ["    return fgetc(file) == EOF ? 0 : 5;", "}", "",
             f"int {stem}_load({kind} *{name}, const char *path)", "{",
             '    FILE *file = fopen(path, "rb");', "    if (file == NULL) return 1;",
             f"    const int status = read_all({name}, file);", "    fclose(file);", "    return status;", "}", ""]
    if not program.train:
        return facts + read
    write = [f"int {stem}_save(const {kind} *state, const char *path)", "{",
             f"    static const uint32_t mark[2] = {{{MARK:#010x}, {VERSION}}};",
             '    FILE *file = fopen(path, "wb");', "    if (file == NULL) return 1;",
             f'    int good = fwrite("{MAGIC.decode()}", 8, 1, file) == 1;',
             "    good = good && fwrite(mark, sizeof mark, 1, file) == 1;",
             "    good = good && fwrite(layout, sizeof layout, 1, file) == 1;"]
    write += [f"    good = good && fwrite({field.address('state')}, sizeof state->{field.name}, 1, file) == 1;"
              for field in program.held]
    return facts + read + [*write, "    return fclose(file) == 0 && good ? 0 : 1;", "}", ""]


def example(program: Standalone) -> list[str]:
    """A program that reads inputs and prints results, to be copied from, or compiled as it is."""
    stem, label, graph = program.stem, program.label, program.graph
    outputs: list[Vertex] = [] if program.returned is not None else list(graph.outputs)
    lines = ["", f"#ifdef {stem.upper()}_EXAMPLE",
             f"/* cc -std=c11 -O3 -D{stem.upper()}_EXAMPLE {stem}.c -lm && ./a.out < numbers",
             "   The numbers of all inputs, one call after the other, as they are in memory. */",
             "#include <stdio.h>", "", "int main(void)", "{"]
    if program.struct:
        lines.append(f"    static {stem}_{program.struct} {program.struct};")
    if program.arena:
        lines.append(f"    static {stem}_memory memory;")
    lines += [f"    static {C_TYPES[v.dtype]} {label[v.id]}[{v.size}];" for v in (*graph.inputs, *outputs)]
    if program.struct and program.embedded:
        lines.append(f"    {stem}_init(&state);")
    elif program.struct:
        lines += [f'    if ({stem}_load(&{program.struct}, "{stem}.weights")) {{',
                  f'        fprintf(stderr, "cannot load {stem}.weights\\n");', "        return 1;", "    }"]
    reads = [f"fread({label[v.id]}, sizeof {label[v.id]}, 1, stdin) == 1" for v in graph.inputs]
    indent = "    " if reads else ""
    lines += [f"    while ({' && '.join(reads)}) {{"] if reads else []
    call = f"{program.function}({arguments(program, [label[v.id] for v in (*graph.inputs, *outputs)])})"
    lines.append(f'    {indent}printf("%.9g\\n", (double){call});' if program.returned is not None
                 else f"    {indent}if ({call}) return 1;")
    for v in outputs:
        name, row = label[v.id], v.shape[-1] if v.ndim else 1
        shown = f'"%.9g%c", (double){name}[i]' if v.dtype.kind == "f" else f'"%lld%c", (long long){name}[i]'
        end = f"(i + 1) % {row} ? ' ' : '\\n'" if row > 1 else "'\\n'"
        lines += [f"    {indent}for (int64_t i = 0; i < {v.size}; i++)", f"    {indent}    printf({shown}, {end});"]
    return [*lines, *(["    }"] if reads else []), "    return 0;", "}", "#endif", ""]


__all__ = ["header", "source", "weights"]
