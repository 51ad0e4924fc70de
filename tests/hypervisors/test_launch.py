"""How guests are started on QEMU and user-mode Linux: the command for what they are made of, and why one cannot be started."""

from __future__ import annotations

import os
import platform
import re
import socket
import threading
from pathlib import Path

import pytest

from softmetal.hypervisors import guest as guests
from softmetal.hypervisors import qemu, uml
from softmetal.hypervisors.guest import Attached, Guest, GuestError

PATIENCE = 20
MAC = bytes.fromhex("02a1b2c3d4e5")


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A PATH with programs that print what is given: a function that adds one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("SOFTMETAL_UML", raising=False)

    def add(name, prints):
        made = folder / name
        made.write_text(f"#!/bin/sh\nprintf '%b' '{prints}'\n")
        made.chmod(0o755)
        return str(made)

    return add


@pytest.fixture
def pc(programs):
    return programs("qemu-system-x86_64", "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg)\\nCopyright (c) 2003-2022\\n")


@pytest.fixture
def uml_program(programs, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return programs("linux.uml", "6.1.140\\n")


@pytest.fixture
def kernel(tmp_path):
    path = tmp_path / "bzImage"
    path.write_bytes(b"kernel")
    return str(path)


def attached(tmp_path, **kinds):
    return [Attached(name, kind, tmp_path / f"hw.{name}", MAC if kind == "card" else b"") for name, kind in kinds.items()]


def after(words, option):
    """What follows each time an option is given."""
    return [words[i + 1] for i, word in enumerate(words) if word == option]


def test_a_pc_has_its_memory_where_the_host_layer_can_map_it(pc, tmp_path):
    launch = qemu.launch(Guest("web", tmp_path, memory=512 << 20, cpus=3))
    words = launch.command
    assert words[0] == pc
    assert after(words, "-name") == ["web"]
    assert after(words, "-M") == ["q35,memory-backend=ram"]
    assert after(words, "-object") == ["memory-backend-memfd,id=ram,size=512M,share=on"]
    assert after(words, "-m") == ["512M"]
    assert after(words, "-smp") == ["3"]
    assert {"-nodefaults", "-no-user-config"} <= set(words)
    assert after(words, "-serial") == ["chardev:main_console"]
    assert after(words, "-chardev") == ["stdio,id=main_console,signal=off"]
    assert launch.control == tmp_path / "web.qmp"
    assert after(words, "-qmp") == [f"unix:{tmp_path}/web.qmp,server=on,wait=off"]
    assert launch.environment == {}
    assert [why.split(":")[0] for why in launch.why] == ["QEMU 7.2.22"]


def test_shared_hardware_of_a_pc_is_behind_sockets(pc, tmp_path):
    words = qemu.launch(Guest("web", tmp_path, attached=attached(tmp_path, store="disk", lan="card"))).command
    assert after(words, "-chardev")[1:] == [
        f"socket,id=store,path={tmp_path}/hw.store,reconnect=1", f"socket,id=lan,path={tmp_path}/hw.lan,reconnect=1"
    ]  # fmt: skip
    assert after(words, "-netdev") == ["vhost-user,id=lan-net,chardev=lan"]
    assert after(words, "-device") == [
        "vhost-user-blk-pci,chardev=store,id=store-disk",
        "virtio-net-pci,netdev=lan-net,mac=02:a1:b2:c3:d4:e5,vectors=0,id=lan-card",  # QEMU 7.2 crashes with vectors
    ]


def test_the_first_serial_devices_of_a_pc_are_where_every_system_looks_for_them(pc, tmp_path):
    names = dict.fromkeys("abcde", "serial")
    words = qemu.launch(Guest("web", tmp_path, attached=attached(tmp_path, store="disk", **names))).command
    kinds = [f"{kind},chardev={n},id={n}-port" for n, kind in zip("abcde", ["isa-serial"] * 3 + ["pci-serial"] * 2, strict=True)]
    assert after(words, "-device")[1:] == kinds


def test_other_boards_have_serial_devices_on_pci(programs, tmp_path):
    programs("qemu-system-aarch64", "QEMU emulator version 8.0.0\\n")
    words = qemu.launch(Guest("arm", tmp_path, arch="aarch64", attached=attached(tmp_path, scale="serial"))).command
    assert after(words, "-M") == ["virt,memory-backend=ram"]
    assert after(words, "-device") == ["pci-serial,chardev=scale,id=scale-port"]
    assert "-vga" not in words


def test_hardware_that_is_named_like_a_part_of_the_pc_is_another_thing(pc, tmp_path):
    hardware = attached(tmp_path, console="serial", ram="disk", disk="disk")
    words = qemu.launch(Guest("web", tmp_path, attached=hardware)).command
    ids = [found[1] for word in after(words, "-chardev") if (found := re.search(r"id=([^,]+)", word))]
    assert len(ids) == len(set(ids)) == 4


def test_a_kernel_is_started_with_its_command_line_and_file_system(pc, programs, tmp_path, kernel):
    words = qemu.launch(Guest("web", tmp_path, kernel=kernel, initrd=kernel)).command
    assert [after(words, option) for option in ("-kernel", "-append", "-initrd")] == [[kernel], ["console=ttyS0"], [kernel]]
    words = qemu.launch(Guest("web", tmp_path, kernel=kernel, append="quiet root=/dev/vda")).command
    assert after(words, "-append") == ["quiet root=/dev/vda"]
    programs("qemu-system-aarch64", "QEMU emulator version 8.0.0\\n")
    assert after(qemu.launch(Guest("web", tmp_path, arch="aarch64", kernel=kernel)).command, "-append") == ["console=ttyAMA0"]


def test_images_are_not_written_and_old_systems_have_them_as_ide(pc, tmp_path):
    image = tmp_path / "a,b.img"
    image.write_bytes(b"x")
    path, twice = str(image), str(image).replace(",", ",,")
    words = qemu.launch(Guest("web", tmp_path, disk=path, iso=path, floppy=path)).command
    assert after(words, "-drive") == [
        f"if=virtio,file={twice},snapshot=on,id=disk", f"if=ide,media=cdrom,file={twice},readonly=on",
        f"if=floppy,file={twice},format=raw,snapshot=on",
    ]  # fmt: skip
    words = qemu.launch(Guest("web", tmp_path, disk=path, legacy=True)).command
    assert after(words, "-drive") == [f"if=ide,file={twice},snapshot=on,id=disk"]


def refused(launch, guest):
    with pytest.raises(GuestError) as caught:
        launch(guest)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("arch", "package"), [(a, k.package) for a, k in qemu.ARCHITECTURES.items()])
def test_a_missing_qemu_names_its_package(programs, tmp_path, arch, package):
    said = refused(qemu.launch, Guest("web", tmp_path, arch=arch))
    assert said == f"qemu-system-{arch} is not installed: install the package {package}"


def test_a_program_that_is_too_old_is_refused_with_both_versions(programs, uml_program, tmp_path):
    old = programs("qemu-system-x86_64", "QEMU emulator version 6.2\\n")
    assert refused(qemu.launch, Guest("web", tmp_path)) == f"{old} is version 6.2.0; 7.0.0 or later is needed"
    programs("linux.uml", "4.19.5\\n")
    assert refused(uml.launch, Guest("web", tmp_path)) == f"{uml_program} is version 4.19.5; 5.15.0 or later is needed"


def test_a_program_that_says_no_version_or_does_not_run_is_refused(programs, tmp_path):
    broken = programs("qemu-system-x86_64", "\\0377\\0376 oh\\nno\\n")
    assert refused(qemu.launch, Guest("web", tmp_path)) == f"{broken} says no version: '\ufffd\ufffd oh\\nno'"
    Path(broken).write_text("#!/there/is/no/such/interpreter\n")
    assert refused(qemu.launch, Guest("web", tmp_path)).startswith(f"{broken} does not run: ")


def test_a_board_that_qemu_has_not_is_refused(programs, tmp_path):
    said = refused(qemu.launch, Guest("web", tmp_path, arch="vax"))
    assert said == "machine web: there is no architecture 'vax'; choose x86_64, i386, aarch64, riscv64"


@pytest.mark.parametrize("what", ["kernel", "disk", "iso", "floppy"])
def test_a_file_that_cannot_be_read_is_refused(pc, tmp_path, monkeypatch, what):
    path = tmp_path / "image"
    assert refused(qemu.launch, Guest("web", tmp_path, **{what: str(path)})) == f"{what} {path}: there is no such file"
    path.mkdir()
    assert refused(qemu.launch, Guest("web", tmp_path, **{what: str(path)})) == f"{what} {path}: is a folder"
    path.rmdir()
    path.write_bytes(b"x")
    may = os.access
    monkeypatch.setattr(guests.os, "access", lambda name, mode: name != str(path) and may(name, mode))  # root may read all
    assert refused(qemu.launch, Guest("web", tmp_path, **{what: str(path)})) == f"{what} {path}: may not be read"


def test_an_initrd_that_is_not_there_is_refused(pc, uml_program, tmp_path, kernel):
    for launch, more in ((qemu.launch, {"kernel": kernel}), (uml.launch, {})):
        said = refused(launch, Guest("web", tmp_path, initrd="/none", **more))
        assert said == "initrd /none: there is no such file"


@pytest.mark.parametrize(("launch", "says"), [(qemu.launch, "QEMU"), (uml.launch, "machine web: user-mode Linux")])
def test_hardware_of_a_kind_that_is_not_known_is_refused(pc, uml_program, tmp_path, launch, says):
    said = refused(launch, Guest("web", tmp_path, attached=attached(tmp_path, x="sextant")))
    assert said == f"{says} has nothing for hardware of kind sextant"


def test_another_architecture_than_the_hosts_is_translated():
    arch = next(a for a in qemu.ARCHITECTURES if a not in (platform.machine(), "i386"))
    assert qemu.accelerated(arch) == (
        "tcg", f"the host is {platform.machine()}, the guest {arch}: its instructions are translated (TCG)"
    )  # fmt: skip


def test_user_mode_linux_has_a_folder_as_root_and_its_devices_at_sockets(uml_program, tmp_path):
    hardware = attached(tmp_path, store="disk", other="disk", lan="card", scale="serial")
    append = "quiet init=/bin/sh"
    launch = uml.launch(Guest("box", tmp_path, memory=64 << 20, root=str(tmp_path), append=append, attached=hardware))
    assert launch.command == [
        uml_program, "mem=64M", "umid=box", f"uml_dir={tmp_path}/", "con=null", "con0=fd:0,fd:1", "ssl=null", "rootfstype=hostfs",
        f"rootflags={tmp_path}", "rw", f"virtio_uml.device={tmp_path}/hw.store:2:1", f"virtio_uml.device={tmp_path}/hw.other:2:2",
        f"virtio_uml.device={tmp_path}/hw.lan:1:17", f"virtio_uml.device={tmp_path}/hw.scale:3:33", "quiet", "init=/bin/sh",
    ]  # fmt: skip
    assert launch.environment == {"TMPDIR": "/dev/shm"}  # memory that can be shared
    assert launch.control == tmp_path / "box" / "mconsole"
    assert launch.why == ["user-mode Linux 6.1.140: a Linux for the host's own processor, without KVM"]


def test_user_mode_linux_takes_a_first_file_system(uml_program, tmp_path, kernel):
    words = uml.launch(Guest("box", tmp_path, initrd=kernel)).command
    assert f"initrd={kernel}" in words
    assert not any(word.startswith("root") for word in words)


def test_another_user_mode_linux_can_be_named(programs, uml_program, tmp_path, monkeypatch):
    mine = programs("mine", "6.9\\n")
    monkeypatch.setenv("SOFTMETAL_UML", mine)
    assert uml.launch(Guest("box", tmp_path)).command[0] == mine


@pytest.mark.parametrize("what", ["disk", "iso", "floppy", "kernel"])
def test_what_user_mode_linux_cannot_boot_is_refused(uml_program, tmp_path, kernel, what):
    said = refused(uml.launch, Guest("box", tmp_path, **{what: kernel}))
    assert said == f"machine box: user-mode Linux is its own kernel and boots no {what}; give root or initrd"


def test_user_mode_linux_is_refused_where_it_cannot_be(programs, tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert refused(uml.launch, Guest("box", tmp_path)) == "linux.uml is not installed: install the package user-mode-linux"
    said = refused(uml.launch, Guest("box", tmp_path, arch="riscv64"))
    assert said == "machine box: user-mode Linux runs x86_64 on x86_64 only, this is riscv64 on x86_64"
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert refused(uml.launch, Guest("box", tmp_path)).endswith("this is x86_64 on aarch64")


def test_a_root_that_user_mode_linux_cannot_have_is_refused(uml_program, tmp_path):
    assert refused(uml.launch, Guest("box", tmp_path, root="/none")) == "root /none: there is no such folder"
    spaced = tmp_path / "a b"
    spaced.mkdir()
    said = refused(uml.launch, Guest("box", tmp_path, root=str(spaced)))
    assert said == f"root {spaced}: user-mode Linux takes no path with spaces or quotes"


@pytest.fixture
def mconsole(tmp_path):
    """A management console that gives some answers: a function that makes one, and what it was asked."""
    path, asked, threads = tmp_path / "mconsole", [], []
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.settimeout(PATIENCE)
    sock.bind(str(path))

    def answer(*answers):
        def serve():
            data, who = sock.recvfrom(4096)
            asked.append(uml.REQUEST.unpack(data))
            for each in answers:
                sock.sendto(each, who)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return path, asked

    yield answer
    for thread in threads:
        thread.join()
    sock.close()


def part(failed, more, data):
    return uml.ANSWER.pack(failed, more, len(data) + 1, data + b"\0")


def test_a_command_of_the_management_console_is_asked_and_answered(mconsole):
    path, asked = mconsole(part(0, 0, b"OK UML"))
    assert uml.command(path, "version") == "OK UML"
    assert asked == [(0xCAFEBABE, 2, 7, b"version".ljust(512, b"\0"))]


def test_an_answer_in_several_parts_is_one(mconsole):
    path, _ = mconsole(part(0, 1, "gr\xfc".encode()[:3]), part(0, 1, "gr\xfc".encode()[3:]), part(0, 0, b"n"))
    assert uml.command(path, "sysrq m") == "grün"


def test_a_command_that_is_refused_says_why(mconsole):
    path, _ = mconsole(part(-22, 0, b"Unknown command\n"))
    with pytest.raises(GuestError, match=r"^user-mode Linux refuses explode: Unknown command$"):
        uml.command(path, "explode now")


def test_what_answers_like_no_user_mode_linux_is_refused(mconsole):
    path, _ = mconsole(b"short")
    with pytest.raises(GuestError, match=f"^what answers at {re.escape(str(path))} is no user-mode Linux$"):
        uml.command(path, "stop")


def test_a_command_that_is_too_long_is_not_cut(tmp_path):
    with pytest.raises(GuestError, match=r"^user-mode Linux takes commands of 512 bytes, and this one has 513$"):
        uml.command(tmp_path / "none", "x" * 513)


def test_a_guest_that_is_not_there_does_not_answer(tmp_path):
    path = tmp_path / "none"
    line = f"user-mode Linux does not answer at {path}: No such file or directory"
    with pytest.raises(GuestError, match=f"^{re.escape(line)}$"):
        uml.command(path, "stop")
