//! A disk that can be cut off: an ext4 file system in a file, shut down like by a power cut.
//!
//! The `EXT4_IOC_SHUTDOWN` ioctl with `NOLOGFLUSH` stops the file system at once: nothing that was
//! not written is written any more, not even its own log. Taken off and put on again it recovers from
//! its log as after a power cut. What was synced must be there, what was not may be gone.
//! Source: Linux, `fs/ext4/ioctl.c`; the xfstests that use the same ioctl.
//!
//! Needs the right to mount (root) and loop devices; [`CutDisk::why_not`] says what is missing.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Size of the file system: a sale takes a segment of 64 MiB, the next one ready, and its log.
const BYTES: u64 = 320 << 20;

/// `_IOR('X', 125, __u32)` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: an ioctl is an unsafe call, so a
/// program of the system makes it.
const SHUT_DOWN: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

/// A file system of its own; [`take_off`](CutDisk::take_off) ends it.
#[derive(Clone, Debug)]
pub struct CutDisk {
    image: PathBuf,
    folder: PathBuf,
}

impl CutDisk {
    /// Return why no disk can be made here, if so.
    pub fn why_not() -> Option<String> {
        let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
        if !root {
            return Some("mounting needs root".to_owned());
        }
        let there = |program: &&&str| Command::new(program).arg("-V").output().is_ok();
        let missing = ["mkfs.ext4", "mount", "python3"].iter().find(|program| !there(program));
        if let Some(program) = missing {
            return Some(format!("`{program}` is not installed"));
        }
        let folder = std::env::temp_dir().join(format!("onrush-disk-{}", std::process::id()));
        let tried = std::fs::create_dir_all(&folder)
            .and_then(|()| CutDisk::make(&folder))
            .and_then(CutDisk::take_off);
        let _ = std::fs::remove_dir_all(&folder);
        tried.err().map(|error| format!("no loop device can be mounted ({error})"))
    }

    /// Make a file system in a file below `home`, and put it on at `home/disk`.
    ///
    /// # Errors
    /// When the system refuses; see [`why_not`](CutDisk::why_not).
    pub fn make(home: &Path) -> io::Result<CutDisk> {
        let disk = CutDisk { image: home.join("disk.img"), folder: home.join("disk") };
        File::create(&disk.image)?.set_len(BYTES)?;
        std::fs::create_dir_all(&disk.folder)?;
        // No lazy initialisation: it would go on writing in the background.
        let options = ["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"];
        run(Command::new("mkfs.ext4").args(options).arg(&disk.image))?;
        disk.put_on()?;
        Ok(disk)
    }

    /// Return where it is put on.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stop the file system where it is. Whoever uses it gets errors from now on.
    ///
    /// # Errors
    /// When the ioctl fails.
    pub fn shut_down(&self) -> io::Result<()> {
        run(Command::new("python3").args(["-c", SHUT_DOWN]).arg(&self.folder))
    }

    /// Take it off and put it on again: it recovers from its log. Nobody may use it meanwhile.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn put_on_again(&self) -> io::Result<()> {
        run(Command::new("umount").arg(&self.folder))?;
        self.put_on()
    }

    /// Take it off for good and remove its file.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn take_off(self) -> io::Result<()> {
        run(Command::new("umount").arg(&self.folder))?;
        std::fs::remove_file(&self.image)
    }

    fn put_on(&self) -> io::Result<()> {
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.folder))
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let program = command.get_program().to_string_lossy().into_owned();
    Err(io::Error::other(format!("{program}: {}", said.trim())))
}
