//! Imports flow one way (`ARCHITECTURE.md`): reads every source file of the homeserver and fails on an arrow that points
//! back or sideways, and on a library outside the layer that owns it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
};

/// Each may use only what stands further down; those in one line never meet.
const LAYERS: [&[&str]; 9] = [
    &["main"],
    &["cli", "server"],
    &["http", "ws", "federation", "jobs"],
    &["web"],
    &["service"],
    &["app"],
    &["peers"],
    &["store", "hub", "clock", "config", "keys"],
    &["model", "error"],
];

/// The arrows between neighbours that are there for a reason: the file, what it uses, why.
const EXCEPTIONS: [(&str, &str, &str); 6] = [
    ("store/open.rs", "config", "which database to open is a checked value of the configuration"),
    ("keys/master.rs", "clock", "randomness is passed in"),
    ("keys/tokens.rs", "clock", "randomness is passed in"),
    ("keys/federation.rs", "clock", "randomness is passed in"),
    ("keys/federation/issue.rs", "clock", "time and randomness are passed in"),
    ("keys/federation/recovery.rs", "clock", "randomness is passed in"),
];

/// Libraries, and the only modules that name them.
const LIBRARIES: [(&str, &[&str]); 9] = [
    ("sqlx", &["store"]),
    ("reqwest", &["peers"]),
    ("sfv", &["peers"]),
    ("axum", &["http", "ws", "web", "federation", "server"]),
    ("axum_extra", &["http", "web", "federation"]),
    ("axum_server", &["server"]),
    ("tower_http", &["http", "web", "federation"]),
    ("tokio_tungstenite", &["ws"]),
    ("utoipa_axum", &["http"]),
];

/// Something that a file should not name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Breach {
    file: String,
    line: usize,
    uses: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "homeserver/src/{}:{} uses {}", self.file, self.line, self.uses)
    }
}

#[test]
fn imports_flow_one_way() {
    let breaches: Vec<Breach> = sources()
        .iter()
        .flat_map(|(file, text)| arrows(file, text))
        .filter(|arrow| !EXCEPTIONS.iter().any(|(file, uses, _)| *file == arrow.file && *uses == arrow.uses))
        .collect();
    assert!(breaches.is_empty(), "forbidden arrows (see ARCHITECTURE.md):\n{}", list(&breaches));
}

#[test]
fn each_library_stays_in_its_layer() {
    let breaches: Vec<Breach> = sources().iter().flat_map(|(file, text)| strays(file, text)).collect();
    assert!(breaches.is_empty(), "libraries outside their layer (see ARCHITECTURE.md):\n{}", list(&breaches));
}

#[test]
fn every_module_has_its_layer_and_every_exception_is_used() {
    let sources = sources();
    let modules: BTreeSet<&str> = sources.iter().map(|(file, _)| module_of(file)).filter(|one| *one != "lib").collect();
    let unknown: Vec<_> = modules.iter().filter(|module| layer(module).is_none()).collect();
    assert!(unknown.is_empty(), "modules without a layer: {unknown:?}");
    let arrows: Vec<Breach> = sources.iter().flat_map(|(file, text)| arrows(file, text)).collect();
    for (file, uses, why) in EXCEPTIONS {
        let used = arrows.iter().any(|arrow| arrow.file == file && arrow.uses == uses);
        assert!(used, "{file} no longer uses {uses} ({why}): take the exception out");
    }
}

#[test]
fn planted_breaches_are_found() {
    let arrows_of = |file, text| arrows(file, text).into_iter().map(|one| (one.line, one.uses)).collect::<Vec<_>>();
    let one = |line, uses: &str| vec![(line, uses.to_owned())];
    assert_eq!(arrows_of("store/accounts.rs", "use crate::service::access;\n"), one(1, "service"));
    assert_eq!(
        arrows_of("app.rs", "use crate::{\n    error::Error,\n    model,\n    http::{Answer, x},\n};"),
        one(4, "http")
    );
    assert_eq!(arrows_of("model/account.rs", "\nlet x = crate::app::App::open();"), one(2, "app"));
    assert_eq!(arrows_of("hub.rs", "pub use super::store::Store;"), one(1, "store"));
    assert_eq!(arrows_of("hub/mailbox.rs", "use super::super::{service::access, keys};").len(), 2);
    assert_eq!(
        arrows_of("service/access.rs", "use crate::{app::App, store};\nuse super::tokens;\n// crate::http::x"),
        []
    );
    assert_eq!(arrows_of("main.rs", "use homeserver::{cli::Cli, clock::Clock};"), []);
    let strays_of = |file, text| strays(file, text).into_iter().map(|one| one.uses).collect::<Vec<_>>();
    assert_eq!(strays_of("service/x.rs", "use axum::Json;\nsqlx::query(\"\")"), ["sqlx", "axum"]);
    assert_eq!(strays_of("store/x.rs", "use sqlx::Row;\nuse my_axum::x; // axum::y"), Vec::<String>::new());
}

/// Every arrow of a file that does not point down.
fn arrows(file: &str, text: &str) -> Vec<Breach> {
    let own = module_of(file);
    let Some(own_layer) = layer(own) else { return Vec::new() };
    let mut breaches = Vec::new();
    let code = code(text);
    for (place, uses) in crate_paths(file, &code) {
        let down = layer(&uses).is_none_or(|layer| layer > own_layer);
        if !down && uses != own {
            let line = code[..place].lines().count().max(1);
            breaches.push(Breach { file: file.to_owned(), line, uses });
        }
    }
    breaches.sort();
    breaches.dedup();
    breaches
}

/// Every library that a file names and should not.
fn strays(file: &str, text: &str) -> Vec<Breach> {
    let code = code(text);
    let mut breaches = Vec::new();
    for (library, owners) in LIBRARIES {
        if owners.contains(&module_of(file)) {
            continue;
        }
        let found = code.match_indices(&format!("{library}::")).find(|(place, _)| !follows_word(&code, *place));
        if let Some((place, _)) = found {
            let line = code[..=place].lines().count();
            breaches.push(Breach { file: file.to_owned(), line, uses: library.to_owned() });
        }
    }
    breaches
}

/// What a file names from the crate's root, as `crate::…`, as `homeserver::…`, or by climbing there with `super::`.
fn crate_paths(file: &str, code: &str) -> Vec<(usize, String)> {
    let root = if module_of(file) == "main" { "homeserver::".to_owned() } else { "crate::".to_owned() };
    let climb = "super::".repeat(Path::new(file).components().count());
    let mut found = Vec::new();
    for prefix in [root, climb] {
        for (place, _) in code.match_indices(&prefix) {
            if !follows_word(code, place) {
                let start = place + prefix.len();
                found.extend(first_names(&code[start..]).into_iter().map(|(at, name)| (start + at + 1, name)));
            }
        }
    }
    found
}

/// The first name of a path, or of each path of a `{…}` list.
fn first_names(path: &str) -> Vec<(usize, String)> {
    let name_at = |at: usize| {
        let name = path[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        (at, name)
    };
    if !path.starts_with('{') {
        return vec![name_at(0)];
    }
    let (mut names, mut depth, mut expected) = (Vec::new(), 0, false);
    for (at, character) in path.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        let begins = depth == 1 && (character == '{' || character == ',');
        if expected && !character.is_whitespace() {
            names.push(name_at(at));
        }
        expected = begins || (expected && character.is_whitespace());
    }
    names
}

fn follows_word(code: &str, place: usize) -> bool {
    code[..place].chars().next_back().is_some_and(|before| before.is_alphanumeric() || before == '_')
}

/// The text without its comments, line for line.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| match line.find("//") {
        Some(place) if line[..place].trim().is_empty() || line[..place].ends_with(' ') => &line[..place],
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `http/answer.rs` is of the module `http`.
fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

fn list(breaches: &[Breach]) -> String {
    breaches.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Every source file, by its path below `src`.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 50, "only {} source files found in {}", files.len(), root.display());
    let named = files.into_iter().map(|path| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    });
    named.collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}
