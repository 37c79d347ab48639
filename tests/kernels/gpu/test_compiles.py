"""Every CUDA file compiles for real GPUs, by each CUDA compiler that is installed, without a warning."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from minicnn.kernels import gpu
from minicnn.kernels.gpu import launch

FILES = sorted(Path(gpu.__path__[0]).glob("*.cu"))
OLDEST = {"implicit_gemm.cu": "80"}  # the first compute capability with TF32; 75, the oldest of CUDA 13, for the others
C_TYPES = [("float", "unsigned char"), ("double", "int")]  # REAL and INDEX


def test_there_is_a_twin_beside_every_file():
    assert FILES
    for file in FILES:
        assert file.with_suffix(".py").exists()


@pytest.mark.parametrize("oldest", ["75", "80"])
@pytest.mark.parametrize("real, index", C_TYPES)
def test_nvcc_compiles_them(real, index, oldest, tmp_path):
    if shutil.which("nvcc") is None:
        pytest.skip("nvcc, CUDA's compiler, is not installed")
    together = tmp_path / "together.cu"  # one run for all, each in a namespace of its own
    files = [file for file in FILES if OLDEST.get(file.name, "75") == oldest]
    together.write_text("".join(f'namespace {file.stem} {{\n#include "{file}"\n}}\n' for file in files))
    command = [
        "nvcc", "-std=c++17", f"-DREAL={real}", f"-DINDEX={index}", "-Werror", "all-warnings", "-gencode",
        f"arch=compute_{oldest},code=sm_{oldest}", "-gencode", "arch=compute_90,code=sm_90", "-c", together, "-o",
        tmp_path / "together.o",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("card", ["oldest", "90"])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
@pytest.mark.parametrize("real, index", C_TYPES)
def test_the_run_time_compiler_compiles_what_a_launch_sends(file, real, index, card):
    """NVRTC, which CuPy uses, knows less than nvcc: no header, and no INFINITY."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cupy = pytest.importorskip("cupy", reason="CuPy, which brings the run-time compiler, is not installed")
    nvrtc = cupy.cuda.nvrtc
    try:
        nvrtc.getVersion()
    except RuntimeError as error:
        pytest.skip(f"CuPy finds no run-time compiler: {error}")
    sent = launch._module.__wrapped__(SimpleNamespace(RawModule=SimpleNamespace), file.name, real, index)
    assert sent.code.isascii(), "CuPy writes it to a file in the locale's encoding, which may lack other letters"
    architecture = OLDEST.get(file.name, "75") if card == "oldest" else card
    added_by_cupy = ("-ftz=true", f"-arch=sm_{architecture}", "--device-as-default-execution-space")
    program = nvrtc.createProgram(sent.code, file.name, (), ())
    try:
        nvrtc.compileProgram(program, (*sent.options, *added_by_cupy))
    except nvrtc.NVRTCError:
        pytest.fail(nvrtc.getProgramLog(program))
    assert nvrtc.getProgramLog(program) == ""
    assert len(nvrtc.getCUBIN(program)) > 0
