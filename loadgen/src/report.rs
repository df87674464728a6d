//! What is printed and written at the end.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use serde::Serialize;

use crate::{
    cli::{RunOptions, Workload},
    figures::Figure,
    machine::Machine,
};

/// Everything that was measured.
#[derive(Serialize)]
pub struct Report<'a> {
    /// Where.
    pub machine: Machine,
    /// How.
    pub options: &'a RunOptions,
    /// What a reader must know.
    pub warnings: Vec<String>,
    /// What.
    pub workloads: Vec<Section>,
}

/// A workload's figures.
#[derive(Serialize)]
pub struct Section {
    /// Which.
    pub workload: Workload,
    /// What it is.
    pub title: String,
    /// The homeserver's.
    pub figures: Vec<Figure>,
    /// The bare relay's, by the same names.
    pub ceiling: Vec<Figure>,
}

impl Report<'_> {
    /// Prints Markdown tables.
    pub fn print(&self) {
        println!("{:?}, {}", self.options.database, self.machine);
        for warning in &self.warnings {
            println!("Warning: {warning}");
        }
        for section in &self.workloads {
            println!("\n{:?}: {}\n\n{}", section.workload, section.title, section.table());
        }
    }

    /// Writes JSON.
    pub fn save(&self, file: Option<&Path>) -> Result<()> {
        let Some(file) = file else { return Ok(()) };
        let text = serde_json::to_string_pretty(self)?;
        fs::write(file, text + "\n").with_context(|| format!("writing {}", file.display()))
    }
}

impl Section {
    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN);
        let has_ceiling = !self.ceiling.is_empty();
        let mut head = vec!["figure", "unit", "median", "range"];
        if has_ceiling {
            head.extend(["ceiling", "range", "of the ceiling"]);
        }
        table.set_header(head);
        for figure in &self.figures {
            let mut row = vec![figure.name.clone(), figure.unit.into(), digits(figure.median), range(figure)];
            if has_ceiling {
                row.extend(self.beside(figure));
            }
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    fn beside(&self, figure: &Figure) -> [String; 3] {
        match self.ceiling.iter().find(|ceiling| ceiling.name == figure.name) {
            Some(ceiling) => {
                let ratio = if ceiling.median == 0.0 { String::new() } else { digits(figure.median / ceiling.median) };
                [digits(ceiling.median), range(ceiling), ratio]
            }
            None => Default::default(),
        }
    }
}

fn range(figure: &Figure) -> String {
    format!("{}–{}", digits(figure.low), digits(figure.high))
}

/// As many digits as mean something.
fn digits(number: f64) -> String {
    match number.abs() {
        0.0 => "0".into(),
        large if large >= 100.0 => format!("{number:.0}"),
        middle if middle >= 10.0 => format!("{number:.1}"),
        middle if middle >= 1.0 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{merge, value};

    #[test]
    fn a_table_shows_the_median_the_range_and_the_ceiling() {
        let rounds = |rates: [f64; 3]| merge(rates.map(|rate| vec![value("window 32", "msg/s", rate)]).to_vec());
        let (figures, ceiling) = (rounds([10.0, 20.0, 15.0]), rounds([40.0, 30.0, 20.0]));
        let section = Section { workload: Workload::W1, title: String::new(), figures, ceiling };
        let table = section.table().to_string();
        let row = table.lines().last().unwrap().split('|').map(str::trim).collect::<Vec<_>>();
        assert_eq!(row[1..8], ["window 32", "msg/s", "15.0", "10.0–20.0", "30.0", "20.0–40.0", "0.500"]);
    }
}
