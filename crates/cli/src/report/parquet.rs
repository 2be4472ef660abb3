//! Tables as Parquet files, one row group each, without compression: every reader knows that.
//!
//! What a column holds follows from its cells: numbers are 64-bit integers (amounts in minor units, spans in
//! milliseconds) or doubles, times are milliseconds since 1970 in UTC, everything else is text, and so is a
//! column that says nothing or whose cells are of different kinds. Every cell may be missing.
//!
//! Source: the Apache Parquet format, *logical types*.

use super::table::{Cell, Report, Table};
use crate::out::Failure;
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use serde_json::Value;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Integer,
    Double,
    Flag,
    Time,
    Text,
}

/// Write each table as a file of its own, also those that are empty: a program looks for them.
pub(super) fn write(folder: &Path, report: &Report) -> Result<(), Failure> {
    let fail = |path: &Path, e: &dyn std::fmt::Display| {
        Failure::Failed(format!("{}: {e}", path.display()))
    };
    std::fs::create_dir_all(folder).map_err(|e| fail(folder, &e))?;
    for table in report.tables() {
        let path = folder.join(format!("{}.parquet", table.id));
        let file = File::create(&path).map_err(|e| fail(&path, &e))?;
        write_table(table, file).map_err(|e| fail(&path, &e))?;
    }
    Ok(())
}

fn write_table(table: &Table, file: File) -> Result<(), ParquetError> {
    let kinds: Vec<Kind> = (0..table.columns.len()).map(|at| kind(table, at)).collect();
    let columns = table.columns.iter().zip(&kinds);
    let columns = columns.map(|(name, kind)| kind.column(name).map(Arc::new));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let schema = Type::group_type_builder(table.id).with_fields(columns).build()?;
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), properties)?;
    if !table.rows.is_empty() {
        let mut group = writer.next_row_group()?;
        for (at, kind) in kinds.iter().enumerate() {
            let cells: Vec<Value> = table.rows.iter().map(|row| kind.value(&row[at])).collect();
            let mut column = group.next_column()?.ok_or_else(|| {
                ParquetError::General("fewer columns than the schema has".to_owned())
            })?;
            kind.write(&cells, &mut column)?;
            column.close()?;
        }
        group.close()?;
    }
    writer.close().map(drop)
}

/// Tell what a column holds.
fn kind(table: &Table, at: usize) -> Kind {
    let mut kinds = table.rows.iter().filter_map(|row| Kind::of(&row[at]));
    let first = kinds.next().unwrap_or(Kind::Text);
    if kinds.all(|kind| kind == first) { first } else { Kind::Text }
}

impl Kind {
    fn of(cell: &Cell) -> Option<Kind> {
        Some(match cell {
            Cell::Nothing => return None,
            Cell::Text(_) | Cell::Word(_) => Kind::Text,
            Cell::Count(_) | Cell::Ms(_) | Cell::Money(..) => Kind::Integer,
            Cell::Share(_) | Cell::Number(_) => Kind::Double,
            Cell::Time(_) => Kind::Time,
            Cell::Holds(_) => Kind::Flag,
        })
    }

    fn column(self, name: &str) -> Result<Type, ParquetError> {
        let (physical, logical) = match self {
            Kind::Integer => (Physical::INT64, None),
            Kind::Double => (Physical::DOUBLE, None),
            Kind::Flag => (Physical::BOOLEAN, None),
            Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .build()
    }

    /// Return a cell as this kind has it.
    fn value(self, cell: &Cell) -> Value {
        match (self, cell) {
            (Kind::Time, Cell::Time(at)) => at.0.into(),
            (Kind::Text, cell) => match cell.value() {
                text @ (Value::Null | Value::String(_)) => text,
                other => other.to_string().into(),
            },
            (_, cell) => cell.value(),
        }
    }

    fn write(
        self,
        cells: &[Value],
        column: &mut SerializedColumnWriter<'_>,
    ) -> Result<(), ParquetError> {
        // 1: there is a value; 0: there is none.
        let levels: Vec<i16> = cells.iter().map(|cell| i16::from(!cell.is_null())).collect();
        let levels = Some(&levels[..]);
        match self {
            Kind::Integer | Kind::Time => {
                let all: Vec<i64> = cells.iter().filter_map(integer).collect();
                column.typed::<Int64Type>().write_batch(&all, levels, None)?;
            }
            Kind::Double => {
                let all: Vec<f64> = cells.iter().filter_map(Value::as_f64).collect();
                column.typed::<DoubleType>().write_batch(&all, levels, None)?;
            }
            Kind::Flag => {
                let all: Vec<bool> = cells.iter().filter_map(Value::as_bool).collect();
                column.typed::<BoolType>().write_batch(&all, levels, None)?;
            }
            Kind::Text => {
                let all: Vec<ByteArray> =
                    cells.iter().filter_map(Value::as_str).map(ByteArray::from).collect();
                column.typed::<ByteArrayType>().write_batch(&all, levels, None)?;
            }
        }
        Ok(())
    }
}

/// Read an integer; what is larger than the format's is its largest.
fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_u64().map(|_| i64::MAX))
}
