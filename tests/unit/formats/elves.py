"""ELF files made by hand: one segment that is loaded, with the names in it and a dynamic section behind them."""

import struct

NEEDED, STRTAB, STRSZ, SONAME = 1, 5, 10, 14
X86_64, I386 = 62, 3
ADDRESS = 0x400000


def elf(
    *needed: str, soname: str = "", bits: int = 64, machine: int = X86_64, padding: int = 0, kind: int = 3
) -> bytes:
    """A file that needs these libraries; `padding` bytes lie between the names and the dynamic section."""
    header, program, entry = ("HHIQQQIHHHHHH", "IIQQQQQQ", "QQ") if bits == 64 else (
        "HHIIIIIHHHHHH", "IIIIIIII", "II"
    )  # fmt: skip
    names = bytearray(b"\0")
    entries: list[tuple[int, int]] = []
    for name in needed:
        entries.append((NEEDED, len(names)))
        names += name.encode() + b"\0"
    if soname:
        entries.append((SONAME, len(names)))
        names += soname.encode() + b"\0"
    start = 16 + struct.calcsize("<" + header)
    table = start + 2 * struct.calcsize("<" + program)
    entries += [(STRTAB, ADDRESS + table), (STRSZ, len(names)), (0, 0)]
    dynamic = b"".join(struct.pack("<" + entry, *it) for it in entries)
    place = table + len(names) + padding
    size = place + len(dynamic)

    def segment(which: int, offset: int, length: int) -> bytes:
        address = ADDRESS + offset
        if bits == 64:
            return struct.pack("<" + program, which, 4, offset, address, address, length, length, 8)
        return struct.pack("<" + program, which, offset, address, address, length, length, 4, 4)

    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1, 1]) + bytes(9)
    main = struct.pack(
        "<" + header, kind, machine, 1, 0, start, 0, 0, start, struct.calcsize("<" + program), 2, 0, 0, 0
    )
    return (
        ident
        + main
        + segment(1, 0, size)
        + segment(2, place, len(dynamic))
        + names
        + bytes(padding)
        + dynamic
    )
