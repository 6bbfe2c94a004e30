"""Getting CUDA C++ ready for a C++ compiler: what is refused, which names are kernels, and shared memory.

The text stays as it is but for three things, none of which moves a line: lines that include CUDA's own headers are
blanked, variables outside functions are kept apart (`variables`), and declarations of `__shared__` variables become
references into the memory of the block. Comments and strings are masked first, so that nothing in them is mistaken for
code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .errors import UnsupportedError
from .scanning import closing, line_of, masked, scopes, split_declarators
from .variables import declarations, kept_apart

KNOWN_HEADERS = re.compile(
    r"(cuda|cuda_runtime|cuda_runtime_api|cuda_fp16|cuda_bf16|cooperative_groups|cooperative_groups/reduce|mma|cuda_pipeline|"
    r"cooperative_groups/(scan|memcpy_async)|cuda/(std/)?atomic|cuda/pipeline|cuda/std/(type_traits|limits|cstdint|utility)|"
    r"vector_types|vector_functions|device_launch_parameters|device_functions|math_constants|math_functions|sm_\w+|"
    r"c?std(io|lib|int|def|bool)|c?(math|assert|float|limits|string)|type_traits|utility|algorithm|new)(\.h|\.hpp)?$")
REFUSED_HEADERS = {
    "cub": "the CUB library", "thrust": "the Thrust library", "curand": "cuRAND on the device", "cutlass": "CUTLASS",
    "cute": "CuTe", "cuda/barrier": "an asynchronous barrier",
}
REFUSED = (
    (r"\basm\b|\b__asm__\b", "inline PTX", "the emulator runs C++, not the device's assembly"),
    (r"<<<", "a launch with <<<...>>>", "launch kernels from Python; a kernel that launches others is not supported"),
    (r"\b(tex[123]D\w*|texture\s*<|cudaTextureObject_t|surf[123]D\w*|surface\s*<|cudaSurfaceObject_t)",
     "a texture or surface", "read the array through a pointer"),
    (r"\b(this_multi_grid|multi_grid_group)\b", "a barrier of several devices", "there is one here"),
    (r"\b(this_cluster|cluster_group|__cluster_dims__|__cluster_\w+)\b", "a cluster of blocks",
     "no block reaches the shared memory of another one here; pass values on through global memory"),
    (r"\bcuda\s*::\s*(barrier|pipeline_shared_state|latch|\w+_semaphore|annotated_ptr|ptx|device)\b",
     "this part of libcu++", "there are cuda::atomic, cuda::atomic_ref, and the pipeline of a thread"),
    (r"\bstd\s*::\s*atomic\w*", "std::atomic", "use cuda::atomic_ref, or atomicAdd and its kin"),
    (r"\b(thrust|cub|cutlass|cute)\s*::", "a library of templates", "write it out: that is what this is for"),
    (r"\b(cudaMalloc\w*|cudaMemcpy\w*|cudaFree\w*|cudaDeviceSynchronize|cudaLaunch\w*|cudaStream\w*|cudaEvent\w*)",
     "a call of the host's runtime", "keep kernels in a file of their own; Python is the host"),
    (r"\b(fork|vfork|system|popen|execl?[vpe]+|abort|exit|_exit|raise|kill|fopen|freopen|remove|getenv|setjmp|longjmp|"
     r"signal|sigaction|pthread_\w+)\s*\(", "a function of the host", "a device has no such function"),
    (r"\b(try\s*\{|catch\s*\(|throw\b|dynamic_cast|typeid\s*\()", "an exception or run-time type", "a device has none"),
)
SHARED = re.compile(r"(?<![\w:])((?:(?:[A-Za-z_][\w:]*(?:<[^<>;{}]*>)?|(?:__align__|alignas)\s*\([^)]*\))[ \t]+)*)"
                    r"__shared__\b"
                    r"([^;{}()=]*(?:\([^()]*\)[^;{}()=]*)*);")
KERNEL = re.compile(r"__global__\b")


@dataclass(frozen=True)
class Prepared:
    """Source that a C++ compiler takes. Its lines are those of the user."""

    code: str
    """As the user wrote it."""
    text: str
    kernels: tuple[str, ...]
    """The `__global__` functions that are no templates, with their namespaces."""
    variables: dict[str, bool]
    """The `__constant__` and `__device__` variables outside functions, and whether they are constant."""
    dynamic: tuple[str, str]
    """The name and the type of dynamic shared memory; empty where the source has none, or several."""


def prepare(source: str, folders: tuple[Path, ...] = ()) -> Prepared:
    """Check source and get it ready. `UnsupportedError` names what the emulator does not have, and its line."""
    text = headers(source, folders)
    hidden = masked(text)
    refuse(hidden, text)
    found = declarations(hidden)
    variables = {name: each.constant for each in found for name in each.names}
    apart = kept_apart(text, found)
    return Prepared(source, with_shared(apart, masked(apart)), kernels(hidden), variables, dynamic_memory(hidden))


def headers(source: str, folders: tuple[Path, ...], name: str = "kernel.cu", inside: tuple[Path, ...] = (),
            once: set[Path] | None = None) -> str:  # fmt: skip
    """Blank what includes CUDA's headers; put the user's own in place, with marks of where lines are from."""
    once = set() if once is None else once
    lines = source.split("\n")
    hidden = masked(source).split("\n")
    for number, line in enumerate(lines):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not found or not hidden[number].lstrip().startswith("#"):
            continue
        wanted = found[2]
        if KNOWN_HEADERS.match(wanted):
            lines[number] = ""
            continue
        if found[1] == '"':
            for folder in folders:
                path = (folder / wanted).resolve()
                if path in inside:
                    raise UnsupportedError(f'line {number + 1}: "{wanted}" includes itself', number + 1)
                if path in once:
                    lines[number] = ""
                    break
                if path.is_file():
                    text = path.read_text(encoding="utf-8")
                    if "#pragma once" in text:
                        once.add(path)
                        text = text.replace("#pragma once", "")
                    inner = headers(text, (path.parent, *folders), wanted, (*inside, path), once)
                    lines[number] = f'#line 1 "{wanted}"\n{inner}\n#line {number + 2} "{name}"'
                    break
            else:
                raise UnsupportedError(f'line {number + 1}: "{wanted}" is not found; looked in '
                                       f"{', '.join(map(str, folders)) or 'no folder'}", number + 1)
            continue
        library = next((what for start, what in REFUSED_HEADERS.items() if wanted.startswith(start)), "this header")
        raise UnsupportedError(f"line {number + 1}: <{wanted}>: {library} is not part of the emulator", number + 1)
    return "\n".join(lines)


def refuse(hidden: str, text: str) -> None:
    """Refuse by name what the emulator does not have."""
    first: tuple[int, str, str] | None = None
    for pattern, what, instead in REFUSED:
        for found in re.finditer(pattern, hidden):
            name = re.match(r"\w+", found[0])
            own = name and re.search(rf"__device__[^;{{}}()]*\b{name[0]}\s*\(", hidden)
            if preceded_by_member(hidden, found.start()) or own:
                continue
            if first is None or found.start() < first[0]:
                first = (found.start(), what, instead)
            break
    if first is not None:
        line = line_of(hidden, first[0])
        shown = text[text.rfind("\n", 0, first[0]) + 1:].partition("\n")[0].strip()
        raise UnsupportedError(f"line {line}: {first[1]} is not supported: {first[2]}\n  {line} | {shown}", line)


def preceded_by_member(hidden: str, position: int) -> bool:
    """Whether a name is a member of something, as in `block.exit()`."""
    before = hidden[:position].rstrip()
    return before.endswith((".", "->"))


def with_shared(text: str, hidden: str) -> str:
    """Rewrite the declarations of shared variables."""
    parts, last = [], 0
    for found in SHARED.finditer(hidden):
        parts += [text[last:found.start()], shared_declaration(found, hidden)]
        last = found.end()
    left = re.search(r"\b__shared__\b", SHARED.sub(lambda found: " " * len(found[0]), hidden))
    if left is not None:
        body = re.compile(r"__shared__\s[^;{=]*?\b(struct|union|class)\b[^;{=]*\{").match(hidden, left.start())
        instead = (f"name the type first: `{body[1]} Name {{ ... }};`, then `__shared__ Name name;`" if body else
                   "write `__shared__ type name[size];`")  # fmt: skip
        raise not_understood(line_of(hidden, left.start()), instead)
    return "".join(parts) + text[last:]


def not_understood(line: int, instead: str) -> UnsupportedError:
    """The error for a declaration of a shared variable."""
    return UnsupportedError(f"line {line}: this declaration of __shared__ memory is not understood; {instead}", line)


def shared_declaration(found: re.Match[str], hidden: str) -> str:
    """`__shared__ float a[2], b;` as references; `extern __shared__ float s[];` as a pointer to dynamic memory."""
    line = line_of(hidden, found.start())
    after, volatile = re.subn(r"\bvolatile\b", " ", f"{found[1]} {found[2]}")
    after = re.sub(r"\b(static|inline)\b", " ", after)
    after, external = re.subn(r"\bextern\b", " ", after)
    alignment = re.compile(r"(?:__align__|alignas|__builtin_align__|__attribute__)\s*\((?:[^()]|\([^()]*\))*\)")
    after = alignment.sub(lambda a: " " * len(a[0]), after)
    declarators = split_declarators(after)
    match = re.match(r"(.*?[\s*&>])\s*([A-Za-z_]\w*)\s*((?:\[[^\]]*\]\s*)*)$", declarators[0], re.DOTALL)
    if match is None:
        raise not_understood(line, "write `__shared__ type name[size];`")
    base = ("volatile " if volatile else "") + " ".join(match[1].split())
    newlines = "\n" * found[0].count("\n")
    if external:
        name, dims = match[2], re.sub(r"\[[^\]]*\]", "", match[3], count=1).strip()
        if dims:
            return f"{base} (* const {name}){dims} = ({base} (*){dims})tg_dynamic;{newlines}"
        return f"{base}* const {name} = ({base}*)tg_dynamic;{newlines}"
    named = [(match[2], match[3].strip())]
    for other in declarators[1:]:
        more = re.match(r"\s*([A-Za-z_]\w*)\s*((?:\[[^\]]*\]\s*)*)$", other, re.DOTALL)
        if more is None:
            raise not_understood(line, "declare one variable at a time")
        named.append((more[1], more[2].strip()))
    return f"{base} " + ", ".join(f"(&{name}){dims} = TG_SHARED({name})" for name, dims in named) + f";{newlines}"


def dynamic_memory(hidden: str) -> tuple[str, str]:
    """The name and type of `extern __shared__ float s[]`, if there is one such declaration."""
    found = re.findall(r"extern\s+__shared__\s+(?:(?:__align__|alignas)\s*\([^)]*\)\s*)?"
                       r"([\w\s:<>]*?)\s*(\w+)\s*\[\s*\]\s*;", hidden)  # fmt: skip
    return (found[0][1], found[0][0]) if len(set(found)) == 1 else ("", "")


def kernels(hidden: str) -> tuple[str, ...]:
    """The names of the `__global__` functions that are defined and no templates."""
    found: dict[str, None] = {}
    for mark in KERNEL.finditer(hidden):
        start = max(hidden.rfind(letter, 0, mark.start()) for letter in ";}") + 1
        if re.search(r"\btemplate\s*<", hidden[start:mark.start()]):
            continue
        name = None
        position = mark.end()
        while head := re.compile(r"[^(;{}]*?([A-Za-z_]\w*)\s*\(").match(hidden, position):
            if head[1] not in ("__launch_bounds__", "__cluster_dims__", "__maxnreg__", "__attribute__"):
                name = head[1]
                break
            position = closing(hidden, head.end() - 1) + 1
        if name is None:
            continue
        end = closing(hidden, head.end() - 1) if head else len(hidden)
        if not hidden[end + 1:].lstrip().startswith("{"):
            continue
        spaces, plain = scopes(hidden, mark.start())
        if plain:
            found["::".join([*spaces, name])] = None
    return tuple(found)
