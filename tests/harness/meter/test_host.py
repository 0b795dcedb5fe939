"""Facts of the machine from planted system files."""

import getpass
import socket

import pytest

from harness.meter import host


def plant(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_quota_of_version_2_is_the_tightest_on_the_way_up(tmp_path):
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "0::/user/job\n",
            "sys/fs/cgroup/user/job/cpu.max": "max 100000\n",
            "sys/fs/cgroup/user/cpu.max": "150000 100000\n",
        },
    )
    assert host.cpu_quota(tmp_path) == 1.5
    assert host.cores(tmp_path) == 1


def test_quota_of_version_1(tmp_path):
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "3:cpu,cpuacct:/a\n2:memory:/m\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        },
    )
    assert host.cpu_quota(tmp_path) is None  # the link that systems make is missing
    (tmp_path / "sys/fs/cgroup/cpu").symlink_to("cpu,cpuacct")
    assert host.cpu_quota(tmp_path) == 0.5
    assert host.cores(tmp_path) == 1  # half a core is one thread, not none


def test_without_quota_affinity_decides(tmp_path):
    plant(
        tmp_path,
        {
            "proc/self/cgroup": "1:cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
    )
    assert host.cpu_quota(tmp_path) is None
    assert host.cores(tmp_path) == len(host.affinity()) >= 1
    assert host.cpu_quota(tmp_path / "nothing") is None


def test_groups_end_at_the_mount(tmp_path):
    plant(tmp_path, {"proc/self/cgroup": "0::/a/b\n"})
    base = tmp_path / "sys/fs/cgroup"
    folders = list(host.cgroup_folders("cpu", tmp_path))
    assert folders == [base / "a/b", base / "a", base]


def test_memory_is_in_bytes(tmp_path):
    plant(tmp_path, {"proc/meminfo": "MemTotal:  16 kB\nSwapFree:  2 kB\n"})
    assert host.memory_bytes("MemTotal", tmp_path) == 16384
    assert host.memory_bytes("SwapFree", tmp_path) == 2048
    assert host.memory_bytes("MemFree", tmp_path) is None


@pytest.mark.parametrize(
    "line",
    ["model name\t: Intel(R) Core(TM)  i7 CPU", "Model\t: Intel Core i7 CPU"],
)
def test_cpu_model_is_tidied(tmp_path, line):
    plant(tmp_path, {"proc/cpuinfo": f"processor: 0\n{line}\n"})
    assert host.cpu_model(tmp_path) == "Intel Core i7 CPU"


def test_cpu_model_is_never_empty(tmp_path):
    assert host.cpu_model(tmp_path)


def test_machine_names_neither_host_nor_user():
    found = host.machine("GPU X")
    assert set(found) == {"cpu", "cores", "memory_bytes", "gpu", "os", "python"}
    assert found["gpu"] == "GPU X"
    assert found["cores"] >= 1
    shown = " ".join(map(str, found.values())).split()
    assert socket.gethostname() not in shown
    assert getpass.getuser() not in shown
