"""What becomes of a large array's memory when a processor's step is done with it."""

import ctypes
import importlib.util
import platform
import sys

import jax
import psutil

PLUGINS = ("jax_cuda12_plugin", "jax_cuda13_plugin", "jax_rocm7_plugin", "jax_rocm60_plugin", "libtpu")

# mallopt(3) of glibc
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
NEVER = -1  # hand back what is free at the top of the heap; any other threshold is below 2 GiB
MMAP_MAX = 65536  # glibc's own

_kept = False  # of the whole process, like the C library's settings


def keep_pages() -> bool:
    """Has glibc keep what is freed, so that no step waits for new pages filled with zeros; tells whether it does.

    XLA for CPUs frees all temporaries and results of a step, hundreds of megabytes, and the next one asks for as much.
    To be called before the first array, and before a thread of any library takes memory: its arena would be shared with
    XLA's threads, and in that large blocks are new pages whatever is said here. Nothing happens where an accelerator
    may do the work, or the C library is another.
    """
    accelerated = any(importlib.util.find_spec(name) for name in PLUGINS) and jax.config.jax_platforms != "cpu"
    if accelerated or platform.libc_ver()[0] != "glibc":
        return False
    c_library = ctypes.CDLL(None)
    wanted = ((M_ARENA_MAX, 1), (M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER))
    global _kept
    _kept = all(c_library.mallopt(name, value) == 1 for name, value in wanted)
    return _kept


def let_go_if_short() -> bool:
    """After `keep_pages`: hands pages back from now on if as many as the process holds would not fit a second time.

    A block of most of the memory, once freed, may be cut into by a small one; the next then finds no room but above it.
    A step for which 11.4 GiB were planned was seen to grow to 23. To be called after the first step; says so on
    standard error.
    """
    global _kept
    held, left = psutil.Process().memory_info().rss, psutil.virtual_memory().available
    if not _kept or held < left:
        return False
    _kept = False
    c_library = ctypes.CDLL(None)
    c_library.mallopt(M_MMAP_MAX, MMAP_MAX)
    c_library.malloc_trim(ctypes.c_size_t(0))
    print(
        f"keep_pages: off from here on, since the process holds {held / 2**30:.1f} GiB and {left / 2**30:.1f} are left",
        file=sys.stderr,
        flush=True,
    )
    return True
