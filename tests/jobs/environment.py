#!/usr/bin/env python3
"""Makes a Python environment with what the tests of jobs compare with, unless it is there already.

  environment.py DIRECTORY"""
import pathlib
import subprocess
import sys
import venv

PACKAGES = ["duckdb==2.0.0"]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    stamp = folder / "packages"
    if stamp.exists() and stamp.read_text(encoding="utf-8").split() == PACKAGES:
        return
    venv.create(folder, with_pip=True, clear=True)
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*command, *PACKAGES], check=False, timeout=300).returncode != 0:
        sys.exit(f"the tests of jobs need {' '.join(PACKAGES)} from PyPI: is there a network?")
    stamp.write_text("\n".join(PACKAGES) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
