"""The rules of docs and style that no compiler knows: banned functions, imports that point one way,
functions that fit a screen, files of one subject. Prints each breach as file:line: what; exits 1 on any.
"""

import pathlib
import re
import sys

FUNCTION_LINES = 70
FILE_LINES = 800
BANNED = re.compile(r"\b(strcpy|strcat|strncpy|strncat|sprintf|vsprintf|strtok|strtok_r|atoi|atol|atoll|atof|"
                    r"strtol|strtoll|strtoul|strtoull|gmtime|localtime|alloca|gets)\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s+"(?:([^"/]+)/)?[^"]+"')
COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

# base <- http <- config <- {cache, upstream, access, audit} <- {gateway, sandbox} <- admin <- cli
BASE, HTTP = {"base"}, {"base", "http"}
CONFIG = HTTP | {"config"}
MIDDLE = {"cache", "upstream", "access", "audit"}
MAY_INCLUDE = {
    "base": BASE,
    "http": HTTP,
    "config": CONFIG,
    **{folder: CONFIG | {folder} for folder in MIDDLE},
    "gateway": CONFIG | MIDDLE | {"gateway"},
    "sandbox": HTTP | {"sandbox"},
    "admin": CONFIG | MIDDLE | {"gateway", "admin"},
    "cli": CONFIG | MIDDLE | {"gateway", "sandbox", "admin", "cli"},
    "proxy": {"base", "cli"},  # main.c
}


def blanked(text):
    """The text without comments and strings, line numbers kept."""
    return COMMENT_OR_STRING.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def banned_functions(code):
    for number, line in enumerate(code.splitlines(), 1):
        for found in BANNED.finditer(line):
            yield number, "%s is not used here (style)" % found.group(1)


def wrong_imports(folder, text):
    for number, line in enumerate(text.splitlines(), 1):
        found = INCLUDE.match(line)
        if found and found.group(1) not in MAY_INCLUDE[folder]:
            yield number, "%s/ may not include %s" % (folder, line.split('"')[1])


def long_functions(code):
    """By clang-format's layout: a function's '{' and '}' stand alone in column 0."""
    lines = code.splitlines()
    start = 0
    for index, line in enumerate(lines):
        if line == "{":
            start = index
            while start > 0 and lines[start - 1].strip() and lines[start - 1][0] not in "}#":
                start -= 1
        elif line == "}" and index - start + 1 > FUNCTION_LINES:
            yield start + 1, "a function of %d lines: %d at most" % (index - start + 1, FUNCTION_LINES)


def long_file(text):
    length = text.count("\n")
    if length > FILE_LINES:
        yield FILE_LINES, "a file of %d lines: %d at most" % (length, FILE_LINES)


def breaches(path):
    text = path.read_text()
    code = blanked(text)
    yield from banned_functions(code)
    yield from long_functions(code)
    yield from long_file(text)
    if path.parts[0] == "proxy":
        yield from wrong_imports(path.parts[-2], text)


def main():
    paths = sorted(path for folder in ("proxy", "tests", "bench") for path in pathlib.Path(folder).rglob("*.[ch]"))
    found = ["%s:%d: %s" % (path, number, what) for path in paths for number, what in breaches(path)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
