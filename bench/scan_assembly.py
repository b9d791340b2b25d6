#!/usr/bin/env python3
"""Scans the kernels of a disk cache for what must not stand in their innermost loops of multiply-adds.

scan_assembly.py FOLDER [--objdump PROGRAM] [--verbose]

FOLDER is what TENON_CACHE_DIR named while a benchmark or a program ran. In every innermost loop with 8 or more
multiply-adds (of floats, or dot products of bytes and bf16): no vector goes to the stack or comes from it, there is no
scalar arithmetic of floats, and multiply-adds are at least 60% of the vector instructions that compute. Ends with 1
when a loop breaks a rule.
"""
import argparse
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

# src/runtime/image.cpp: magic, format, abi, checksum, key, bytes of code and of the name, entry, its size, machine; then
# the name, then the code.
MAGIC, HEADER = b"TNONKNL1", "<QII16s16sQIIII"
LEAST_PRODUCTS, LEAST_SHARE = 8, 0.6
PRODUCT = re.compile(r"^(vfn?m(add|sub)|vpdpbusd|vdpbf16ps|vpmaddwd)")
# Moves, broadcasts and prefetches load operands: they take no place where products could run.
MOVE = re.compile(r"^(vmov|vbroadcast|vpbroadcast|prefetch|kmov)")
SCALAR = re.compile(r"^v?(add|sub|mul|div|fn?m(add|sub)\d*)s[sd]$")
VECTOR = re.compile(r"[xyz]mm\d")
STACK = {False: re.compile(r"\[rsp\b"), True: re.compile(r"\[(rsp|rbp)\b")}  # by whether rbp is the frame's
JUMP = re.compile(r"^j\w+$")


def kernels(folder):
    """(name, code) of each container in the folder."""
    for file in sorted(p for p in pathlib.Path(folder).rglob("*") if p.is_file()):
        data = file.read_bytes()
        if data[:8] != MAGIC:
            continue
        *_, code_bytes, name_bytes, _, _, _ = struct.unpack_from(HEADER, data)
        begin = struct.calcsize(HEADER)
        yield data[begin:begin + name_bytes].decode(), data[begin + name_bytes:begin + name_bytes + code_bytes]


def instructions(code, objdump):
    """(address, mnemonic, operands), in order."""
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(code)
        file.flush()
        text = subprocess.run([objdump, "-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "--no-show-raw-insn",
                               file.name], check=True, capture_output=True, text=True).stdout
    for line in text.splitlines():
        found = re.match(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$", line)
        if found:
            yield int(found[1], 16), found[2], found[3]


def innermost_loops(all_instructions):
    """Ranges of instructions from the target of a jump backwards to the jump, none inside of another."""
    place = {address: i for i, (address, _, _) in enumerate(all_instructions)}
    ranges = []
    for i, (address, name, operands) in enumerate(all_instructions):
        target = re.match(r"^0x([0-9a-f]+)", operands)
        if JUMP.match(name) and target and int(target[1], 16) <= address and int(target[1], 16) in place:
            ranges.append((place[int(target[1], 16)], i))
    return [r for r in ranges if not any(o != r and r[0] <= o[0] and o[1] <= r[1] for o in ranges)]


def faults(body, framed):
    """What is wrong with a loop, or None when it is none of multiply-adds."""
    products = sum(bool(PRODUCT.match(name)) for _, name, _ in body)
    if products < LEAST_PRODUCTS:
        return None
    vector = [(name, operands) for _, name, operands in body if VECTOR.search(operands)]
    found = []
    stack = sum(bool(STACK[framed].search(operands)) for _, operands in vector)
    if stack:
        found.append(f"{stack} vectors to or from the stack")
    scalar = sum(bool(SCALAR.match(name)) for name, _ in vector)
    if scalar:
        found.append(f"{scalar} scalar operations")
    computing = sum(not MOVE.match(name) for name, _ in vector)
    if products < LEAST_SHARE * computing:
        found.append(f"{products} multiply-adds of {computing} vector instructions")
    return found


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("folder")
    arguments.add_argument("--objdump", default="objdump")
    arguments.add_argument("--verbose", action="store_true", help="print the loops that break a rule")
    options = arguments.parse_args()
    count = loops = broken = 0
    for name, code in kernels(options.folder):
        count += 1
        listing = list(instructions(code, options.objdump))
        framed = any(mnemonic == "mov" and operands == "rbp,rsp" for _, mnemonic, operands in listing)
        for begin, end in innermost_loops(listing):
            body = listing[begin:end + 1]
            found = faults(body, framed)
            loops += found is not None
            if not found:
                continue
            broken += 1
            print(f"{name}, loop at {body[0][0]:#x}: {'; '.join(found)}")
            if options.verbose:
                for address, mnemonic, operands in body:
                    print(f"    {address:6x}  {mnemonic} {operands}")
    print(f"{count} kernels, {loops} loops of multiply-adds, {broken} break a rule")
    if not count:
        sys.exit(f"{options.folder}: no kernels there")
    sys.exit(1 if broken else 0)


main()
