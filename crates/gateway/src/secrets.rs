//! Reading secret files.

use crate::config::ConfigErrors;
use std::path::Path;

/// Largest secret or key file.
const FILE_BYTES_MAX: u64 = 256 * 1_024;

/// Read a file without the white space around its content.
pub(crate) fn read_secret(path: &Path, field: &str) -> Result<Vec<u8>, ConfigErrors> {
    let size = std::fs::metadata(path).map(|meta| meta.len());
    if size.as_ref().is_ok_and(|size| *size > FILE_BYTES_MAX) {
        return Err(secret_error(path, field, "is larger than 256 KiB"));
    }
    match std::fs::read(path) {
        Ok(bytes) => Ok(bytes.trim_ascii().to_vec()),
        Err(error) => {
            let problem = format!("cannot be read: {error}; check the path and its permissions");
            Err(secret_error(path, field, &problem))
        }
    }
}

/// Say what is wrong with a file, without its content.
pub(crate) fn secret_error(path: &Path, field: &str, problem: &str) -> ConfigErrors {
    ConfigErrors::one(&path.display().to_string(), field, problem)
}
