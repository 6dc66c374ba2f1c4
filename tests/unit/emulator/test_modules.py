import pytest

from imagesmith.emulator.modules import chosen_files, module_name, parse_dependencies

TABLE = parse_dependencies(
    "kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko kernel/fs/jbd2/jbd2.ko\n"
    "kernel/fs/jbd2/jbd2.ko:\n"
    "kernel/lib/crc16.ko:\n"
    "kernel/drivers/mmc/host/sdhci-pci.ko: kernel/drivers/mmc/host/sdhci.ko\n"
    "kernel/drivers/mmc/host/sdhci.ko:\n"
    "kernel/fs/nfs/nfs.ko: kernel/net/sunrpc/sunrpc.ko\n"
    "kernel/fs/nfs_common/grace.ko:\n"
    "kernel/net/sunrpc/sunrpc.ko:\n"
)


def test_a_module_brings_all_it_needs() -> None:
    files = chosen_files(TABLE, built_in=[], names=["ext4"], folders=[])

    assert ("kernel/fs/ext4/ext4.ko", "kernel/fs/jbd2/jbd2.ko", "kernel/lib/crc16.ko") == files


def test_a_folder_brings_its_modules_and_what_they_need_but_not_a_folder_of_a_longer_name() -> None:
    files = chosen_files(TABLE, built_in=[], names=[], folders=["kernel/fs/nfs"])

    assert ("kernel/fs/nfs/nfs.ko", "kernel/net/sunrpc/sunrpc.ko") == files


def test_a_module_is_known_by_the_name_modprobe_knows() -> None:
    assert module_name("kernel/drivers/mmc/host/sdhci-pci.ko.xz") == "sdhci_pci"
    assert len(chosen_files(TABLE, built_in=[], names=["sdhci_pci"], folders=[])) == 2


def test_what_is_built_into_the_kernel_needs_no_file() -> None:
    built_in = ["kernel/drivers/block/virtio-blk.ko"]

    assert () == chosen_files(TABLE, built_in=built_in, names=["virtio_blk"], folders=[])


def test_a_module_the_kernel_does_not_have_is_an_error() -> None:
    with pytest.raises(KeyError, match="vfat"):
        chosen_files(TABLE, built_in=[], names=["vfat"], folders=[])
