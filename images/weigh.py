#!/usr/bin/env python3
"""Prints what each part of an image weighs, as a table in Markdown: `images/weigh.py IMAGE [BASE]`.

The parts are the Debian packages of the image, without the files that its Dockerfile leaves out. The packages of BASE, an image
too, count as one part. What no package owns counts by its folder.
"""

import collections
import io
import os
import subprocess
import sys
import tarfile

# The smallest part that has a row of its own, in bytes.
SMALLEST = 1_000_000


def files_of(image):
    """The size of each file of the image by its path, and the packages' lists of files by their name."""
    container = subprocess.run(["docker", "create", image, "none"], check=True, capture_output=True, text=True).stdout.strip()
    try:
        export = subprocess.run(["docker", "export", container], check=True, capture_output=True).stdout
    finally:
        subprocess.run(["docker", "rm", container], check=True, capture_output=True)
    sizes, lists = {}, {}
    with tarfile.open(fileobj=io.BytesIO(export)) as archive:
        for entry in archive:
            path = "/" + entry.name.removeprefix("./")
            if not entry.isfile():
                continue
            sizes[path] = entry.size
            folder, name = os.path.split(path)
            if folder == "/var/lib/dpkg/info" and name.endswith(".list"):
                package = name.removesuffix(".list").split(":")[0]
                lists[package] = archive.extractfile(entry).read().decode().splitlines()
    return sizes, lists


def real(path, sizes):
    """Packages may list a path without the `/usr` that its folder is a link to."""
    return path if path in sizes else "/usr" + path


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__.splitlines()[0])
    sizes, lists = files_of(sys.argv[1])
    base = set(files_of(sys.argv[2])[1]) if len(sys.argv) == 3 else set()
    total = sum(sizes.values())
    parts = collections.Counter()
    for package, paths in lists.items():
        part = sys.argv[2] if package in base else package
        for path in paths:
            parts[part] += sizes.pop(real(path, sizes), 0)
    for path, size in sizes.items():
        is_ours = path.startswith("/usr/local/")
        parts[path if is_ours else "/".join(path.split("/")[:3])] += size
    small = sum(size for size in parts.values() if size < SMALLEST)
    print("| part | MB |\n|---|--:|")
    for part, size in parts.most_common():
        if size >= SMALLEST:
            print(f"| `{part}` | {size / 1e6:.1f} |")
    print(f"| smaller parts | {small / 1e6:.1f} |\n| all | {total / 1e6:.1f} |")


if __name__ == "__main__":
    main()
