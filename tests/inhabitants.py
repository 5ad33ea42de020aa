"""Who lives in the sandboxes of a builder, and a way to talk to a build that waits."""

from pathlib import Path

# Says where it is, starts what is meant to outlive it, and waits for somebody to write to the pipe.
WAITING = """build() {
  mkfifo /build/go
  setsid sleep 1000003 &
  (setsid bash -c 'exec -a quiet sleep 1000003 >/dev/null 2>&1 </dev/null' &)
  echo waiting
  read -r _ </build/go
  echo gone on
}"""


def inhabitants(data: Path) -> list[int]:
    """Processes whose root is a workspace below `data`."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            lines = (entry / "mountinfo").read_text().splitlines() if entry.name.isdigit() else []
        except OSError:
            continue
        if any(line.split(" ")[4] == "/" and f"upperdir={data}/" in line for line in lines):
            found.append(int(entry.name))
    return found


def let_go(data: Path) -> None:
    """Write to the pipe that a waiting build reads, through the root that it sees."""
    Path(f"/proc/{inhabitants(data)[0]}/root/build/go").write_text("go\n")
