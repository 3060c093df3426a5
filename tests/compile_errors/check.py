#!/usr/bin/env python3
"""Compiles each mistake of a folder's *.cc files, and looks for the sentence that a user should read.

A file is a program with `// MISTAKE: <sentence>` lines; each begins a variant of its own, of the lines up
to the next one. What stands before the first is common to all. A variant must fail to compile, with the
sentence among the errors; the common part alone must compile.

  check.py COMPILER INCLUDE_FOLDER FILE"""
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile


def compile_source(compiler, include, text):
    with tempfile.NamedTemporaryFile("w", suffix=".cc") as source:
        source.write(text)
        source.flush()
        command = [compiler, "-std=c++20", "-fsyntax-only", "-I", include, source.name]
        return subprocess.run(command, capture_output=True, text=True)


def main():
    compiler, include, path = sys.argv[1:]
    parts = re.split(r"^// MISTAKE: (.*)$", pathlib.Path(path).read_text(), flags=re.MULTILINE)
    common = parts[0]
    variants = [("", common)] + [
        (sentence.strip(), common + body) for sentence, body in zip(parts[1::2], parts[2::2])]
    problems = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda variant: compile_source(compiler, include, variant[1]), variants)
        for (sentence, _), result in zip(variants, results):
            errors = " ".join(result.stderr.split())
            if sentence == "" and result.returncode != 0:
                problems += 1
                print(f"{path}: the common part does not compile:\n{result.stderr[:4000]}")
            elif sentence != "" and result.returncode == 0:
                problems += 1
                print(f"{path}: this was meant to fail and compiles: {sentence}")
            elif sentence not in errors:
                problems += 1
                print(f"{path}: no error says: {sentence}\n{result.stderr[:4000]}")
    print(f"{path}: {len(variants) - 1} mistakes, {problems} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
