#!/usr/bin/env python3
"""Checks that a stage includes only itself and the stages before it, and who may include what from outside.

check_stages.py [ROOT]     exit status 1 and one line per offence
"""
import pathlib
import re
import sys

ORDER = ["core", "runtime", "dsl", "ops", "graph", "loop", "schedule", "codegen", "onnx"]
AFTER_ALL = len(ORDER)  # src/*.cpp and include/tenon/*.hpp: the pipeline, the umbrella header

# Folders that belong to a stage under another name.
ALIASES = {"nn": "ops"}  # layers are written with operators and seen by nobody but the user

# What src/ may do besides; include/tenon has no exception. (stage, pattern of what is included): reason
EXCEPTIONS = {
    ("ops", r"(graph|loop)/"): "an operator's definition is a graph node's meaning and traces into loop expressions",
    ("dsl", r"(ops|graph|loop)/"): "emit makes graph nodes, elementwise and compute trace into loop expressions",
    ("graph", r"loop/(expr|symbol|prim|evaluate|lower_context)\.hpp"):
        "op_def names the expressions that a definition traces into, and passes look at them",
}

# Outside headers: pattern, the files that may include them, reason.
RESTRICTED = [
    (r"(llvm|llvm-c|lld|clang)/", r"src/codegen/llvm/", "LLVM is hidden in libtenon-llvm"),
    (r"cuda", r"$^", "the CUDA driver is opened by name, its header is not needed"),
    (r"fmt/", r"src/(?!core/|runtime/)|src/runtime/(npz|safetensors)\.cpp", "not in headers, not in libtenon-rt"),
    (r"nlohmann/", r"src/(?!core/|runtime/)|src/runtime/safetensors\.cpp", "not in headers, not in libtenon-rt"),
    (r"zlib\.h", r"src/(?!core/|runtime/)|src/runtime/npz\.cpp", "not in headers, not in libtenon-rt"),
    (r"boost/", r"src/(?!core/|runtime/)", "Boost.Hana stays out of what users compile"),
    (r"(iostream|fstream|sstream|ostream|istream|iomanip|regex|locale)$", r"src/(?!core/|runtime/)",
     "too heavy for headers and for libtenon-rt"),
]

# Headers that the build makes.
GENERATED = {"tenon_identity.hpp"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def stage_of(parts):
    """Stage of a path below src/ or include/tenon/."""
    if len(parts) < 2:
        return AFTER_ALL
    name = ALIASES.get(parts[0], parts[0])
    return ORDER.index(name) if name in ORDER else None


def check(root):
    offences = []
    for base in (root / "include" / "tenon", root / "src"):
        for file in sorted(p for p in base.rglob("*") if p.suffix in (".hpp", ".cpp", ".inc")):
            here = file.relative_to(root).as_posix()
            own = stage_of(file.relative_to(base).parts)
            if own is None:
                offences.append(f"{here}: not in the folder of a stage ({', '.join(ORDER)})")
                continue
            for number, line in enumerate(file.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                kind, name = match.groups()
                for pattern, allowed, reason in RESTRICTED:
                    if re.match(pattern, name) and kind == "<" and not re.match(allowed, here):
                        offences.append(f"{here}:{number}: <{name}>: {reason}")
                if kind == "<" or name in GENERATED or (file.parent / name).exists():
                    continue
                if name.startswith("tenon/"):
                    inner, target = name[len("tenon/"):], root / "include" / name
                elif base.name == "src":
                    inner, target = name, root / "src" / name
                else:
                    offences.append(f"{here}:{number}: \"{name}\": a public header includes public headers only")
                    continue
                if not target.exists():
                    offences.append(f"{here}:{number}: \"{name}\" does not exist")
                    continue
                other = stage_of(pathlib.PurePosixPath(inner).parts)
                if other is None or other <= own:
                    continue
                excused = base.name == "src" and any(
                    stage == ORDER[own] and re.match(pattern, inner) for stage, pattern in EXCEPTIONS)
                if not excused:
                    later = ORDER[other] if other < AFTER_ALL else "what stands above the stages"
                    offences.append(f"{here}:{number}: \"{name}\": {ORDER[own]} comes before {later}")
    return offences


if __name__ == "__main__":
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    found = check(root)
    for offence in found:
        print(offence)
    sys.exit(1 if found else 0)
