import json
import platform
import subprocess
import sys

import pytest

from tests.training.conftest import ROOT

SCRIPT = """
import ctypes, json, resource, sys, threading
from training.host_memory import keep_pages
kept = keep_pages() if sys.argv[1] == "keep" else None
c_library = ctypes.CDLL(None)
c_library.malloc.restype = c_library.memset.restype = ctypes.c_void_p
c_library.memset.argtypes, c_library.free.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t], [ctypes.c_void_p]

def a_step():
    blocks = [c_library.malloc(64 * 2**20) for _ in range(2)]
    for block in blocks:
        c_library.memset(block, 1, 64 * 2**20)
        c_library.free(block)

def in_a_thread():
    thread = threading.Thread(target=a_step)
    thread.start()
    thread.join()

in_a_thread()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    in_a_thread()
print(json.dumps([kept, (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 4]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_a_thread_finds_the_pages_of_the_one_before():
    faults = {}
    for how in ("keep", "default"):
        command = [sys.executable, "-c", SCRIPT, how]
        environment = {"JAX_PLATFORMS": "cpu", "PATH": ""}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        kept, faults[how] = json.loads(done.stdout)
        assert kept is (True if how == "keep" else None)
    print(faults)
    assert faults["keep"] < 0.1 * faults["default"]  # seen 1 and 32,771; of a BERT step 0 and 66,933
