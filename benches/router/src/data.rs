//! The folder of real data, which is never part of the project.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// Where the files are.
pub(crate) struct Data {
    pub(crate) folder: PathBuf,
}

impl Data {
    /// Return the rows of a file below its header; `None`, with a word about it, when it is missing.
    pub(crate) fn read(&self, name: &str) -> Option<Vec<Vec<String>>> {
        let path = self.folder.join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) => {
                println!(
                    "skipped: {} cannot be opened ({error}); pass --data FOLDER",
                    path.display()
                );
                return None;
            }
        };
        let input: Box<dyn Read> = if name.ends_with(".gz") {
            Box::new(flate2::read::GzDecoder::new(file))
        } else {
            Box::new(file)
        };
        let mut reader = csv::Reader::from_reader(input);
        let rows = reader.records().filter_map(Result::ok);
        Some(rows.map(|row| row.iter().map(str::to_owned).collect()).collect())
    }
}
