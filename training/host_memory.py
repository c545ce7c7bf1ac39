"""What becomes of a large array's memory when a processor's step is done with it."""

import ctypes
import importlib.util
import platform

import jax

PLUGINS = ("jax_cuda12_plugin", "jax_cuda13_plugin", "jax_rocm7_plugin", "jax_rocm60_plugin", "libtpu")

# mallopt(3) of glibc
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
AT_LEAST = 2**31 - 1  # bytes free at the top of the heap before any are handed back: the most that can be said


def keep_pages() -> bool:
    """Has glibc keep what is freed, so that no step waits for new pages filled with zeros; tells whether it does.

    XLA for CPUs frees all temporaries and results of a step, hundreds of megabytes, and the next one asks for as much.
    To be called before the first array: a thread that has already taken memory goes on as it was. Nothing happens where
    an accelerator may do the work, or the C library is another.
    """
    accelerated = any(importlib.util.find_spec(name) for name in PLUGINS) and jax.config.jax_platforms != "cpu"
    if accelerated or platform.libc_ver()[0] != "glibc":
        return False
    c_library = ctypes.CDLL(None)
    wanted = ((M_ARENA_MAX, 1), (M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, AT_LEAST))
    return all(c_library.mallopt(name, value) == 1 for name, value in wanted)
