"""Runs `snakemake` command lines, one a line of JSON on standard input, in forks of one process.

Snakemake takes two seconds to import; each of its runs here starts from a process that has done so, and is
otherwise the command line that users type. For each a line of JSON comes back: exit code, seconds of CPU.
"""

import atexit
import json
import os
import sys

import snakemake.cli


def be_snakemake(arguments: list[str], folder: str, output: str) -> None:
    """Become `snakemake` with these arguments, in `folder`, writing to the file `output`."""
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(folder)
    sys.path.insert(0, folder)
    sys.argv = ["snakemake", *arguments]
    try:
        snakemake.cli.main(arguments)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            be_snakemake(**request)
        _, status, usage = os.wait4(child, 0)
        answer = {"code": os.waitstatus_to_exitcode(status), "seconds": usage.ru_utime + usage.ru_stime}
        print(json.dumps(answer), flush=True)
