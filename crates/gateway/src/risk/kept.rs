//! Models that an operator put in force, as files beside the audit: they win over those of the
//! configuration, as the policy does, until their files are taken away.

use onrush_risk::limits::SHADOWS_MAX;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Return where the model that counts is kept.
pub(super) fn model(folder: &Path) -> PathBuf {
    folder.join("model")
}

/// Return where shadows are kept, the latest first.
pub(super) fn shadows(folder: &Path) -> impl Iterator<Item = PathBuf> {
    (0..SHADOWS_MAX).map(move |at| folder.join(format!("shadow-{at}")))
}

/// Keep a model; an earlier shadow moves one place back, and the last one falls out.
///
/// # Errors
/// When it cannot be written; what was kept before is still there.
pub(super) fn keep(folder: &Path, bytes: &[u8], shadow: bool) -> io::Result<()> {
    if !shadow {
        return write(&model(folder), bytes);
    }
    let new = folder.join("shadow-new");
    write(&new, bytes)?;
    let places: Vec<PathBuf> = shadows(folder).collect();
    for pair in places.windows(2).rev() {
        if pair[0].exists() {
            fs::rename(&pair[0], &pair[1])?;
        }
    }
    fs::rename(new, &places[0])
}

/// Write a file whole: it is the old one or the new one, whenever the machine stops.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("part");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shadows_move_back_and_the_last_falls_out() {
        let dir = tempfile::tempdir().expect("a folder");
        for n in 0..=SHADOWS_MAX as u8 {
            keep(dir.path(), &[n], true).expect("written");
        }
        keep(dir.path(), b"counts", false).expect("written");
        let read = |path: PathBuf| fs::read(path).expect("a file");
        let kept: Vec<Vec<u8>> = shadows(dir.path()).map(read).collect();
        assert_eq!(kept, [[3], [2], [1]]);
        assert_eq!(read(model(dir.path())), b"counts");
        assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 1 + SHADOWS_MAX);
    }
}
