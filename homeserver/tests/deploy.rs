//! The Dockerfile and the compose files, read: what they name exists and is understood.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use clap::Parser as _;
use homeserver::{
    cli::Cli,
    config::{Config, Flags, known_variables},
};
use serde_yaml_ng::Value;

const COMPOSE_FILES: [&str; 2] = ["docker-compose.dev.yml", "docker-compose.prod.yml"];

#[test]
fn the_image_is_built_from_what_is_in_the_checkout() {
    let mut copied = 0;
    for line in dockerfile_lines("COPY ").iter().filter(|line| !line.starts_with("--from")) {
        let words: Vec<_> = line.split_whitespace().collect();
        for source in &words[..words.len() - 1] {
            assert!(checkout().join(source).exists(), "COPY {source}");
            assert!(!is_docker_ignored(source), ".dockerignore keeps {source} out");
            copied += 1;
        }
    }
    assert!(copied >= 6);
    assert!(is_docker_ignored("secrets") && is_docker_ignored("target") && is_docker_ignored("data"));
}

#[test]
fn the_image_is_built_from_every_package_of_the_workspace() {
    let manifest = read("Cargo.toml");
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    let members: Vec<String> = serde_json::from_str(members).unwrap();
    let copies = dockerfile_lines("COPY ");
    for member in members {
        let top = member.split('/').next().unwrap().to_owned();
        assert!(copies.contains(&format!("{top} {top}")), "the Dockerfile does not copy {top}");
    }
}

#[test]
fn the_image_copies_the_binaries_the_build_makes() {
    let build = read("Dockerfile");
    for binary in ["homeserver", "missivectl"] {
        assert!(build.contains(&format!("-p {binary}")) && build.contains(&format!("target/release/{binary}")));
        assert!(checkout().join(binary).join("src/main.rs").exists());
        assert!(dockerfile_lines("COPY --from=build ").iter().any(|line| line.contains(&format!("/out/{binary}"))));
    }
}

#[test]
fn every_variable_is_one_the_configuration_knows() {
    let known = known_variables();
    let mut seen = 0;
    for file in ["Dockerfile", "config/Caddyfile"].iter().chain(&COMPOSE_FILES) {
        let text = read(file);
        let word = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        for name in text.split(word).filter(|word| word.starts_with("MISSIVE_")) {
            assert!(known.iter().any(|variable| variable == name), "{file}: {name}");
            seen += 1;
        }
    }
    assert!(seen >= 10);
}

#[test]
fn every_environment_loads() {
    for (file, name, service) in services() {
        let environment: Vec<_> = mapping(&service["environment"])
            .filter(|(name, _)| name.starts_with("MISSIVE_"))
            .filter(|(_, value)| !value.starts_with("/run/secrets/"))
            .map(|(name, value)| (name.into(), substituted(&value).into()))
            .collect();
        let loaded = Config::load_from(Flags::default(), environment);
        assert!(loaded.is_ok(), "{file}: {name}: {}", loaded.unwrap_err());
    }
}

#[test]
fn every_homeserver_command_parses() {
    let mut seen = 0;
    let commands = services().into_iter().filter_map(|(_, _, service)| strings(&service["command"]));
    for command in commands.chain(dockerfile_commands()) {
        let cargo = command.windows(2).position(|pair| pair == ["-p", "homeserver"]).map(|at| at + 1);
        let first = (command[0] == "homeserver").then_some(0);
        let Some(at) = first.or(cargo) else { continue };
        let arguments = command[at..].iter().filter(|word| *word != "--");
        Cli::try_parse_from(arguments).unwrap();
        seen += 1;
    }
    assert_eq!(seen, 3, "the image's, production's and development's");
}

#[test]
fn every_mount_and_build_from_the_checkout_exists() {
    let stages = dockerfile_lines("FROM ");
    for (file, name, service) in services() {
        let volumes = read_yaml(file)["volumes"].clone();
        for volume in strings(&service["volumes"]).unwrap_or_default() {
            let source = volume.split(':').next().unwrap();
            let exists =
                if source.starts_with('.') { checkout().join(source).exists() } else { volumes.get(source).is_some() };
            assert!(exists, "{file}: {name}: {volume}");
        }
        if let Some(target) = service["build"]["target"].as_str() {
            assert!(stages.iter().any(|stage| stage.ends_with(&format!(" AS {target}"))), "{file}: {target}");
        }
    }
}

#[test]
fn watched_paths_exist() {
    let command = strings(&read_yaml("docker-compose.dev.yml")["services"]["homeserver"]["command"]).unwrap();
    let watched: Vec<_> = command.windows(2).filter(|pair| pair[0] == "--watch").map(|pair| pair[1].clone()).collect();
    assert!(watched.len() >= 3);
    for path in watched {
        assert!(checkout().join(&path).exists(), "{path}");
    }
}

#[test]
fn secrets_are_declared_used_and_mounted_where_they_are_read() {
    let file = read_yaml("docker-compose.prod.yml");
    let declared: BTreeSet<_> = file["secrets"].as_mapping().unwrap().keys().map(text).collect();
    let mut used = BTreeSet::new();
    for (_, name, service) in services().into_iter().filter(|(file, ..)| file.contains("prod")) {
        let mounted: BTreeSet<_> = strings(&service["secrets"]).unwrap_or_default().into_iter().collect();
        let read: BTreeSet<_> = mapping(&service["environment"])
            .filter_map(|(_, value)| value.strip_prefix("/run/secrets/").map(str::to_owned))
            .collect();
        assert_eq!(mounted, read, "{name}");
        used.extend(mounted);
    }
    assert_eq!(declared, used);
    for secret in declared {
        let path = text(&file["secrets"][secret.as_str()]["file"]);
        assert!(is_docker_ignored(path.trim_start_matches("./")), "{path} would be sent to the builder");
    }
}

#[test]
fn production_migrates_first_and_by_a_step_of_its_own() {
    let services = &read_yaml("docker-compose.prod.yml")["services"];
    assert_eq!(strings(&services["migrate"]["command"]).unwrap(), ["missivectl", "migrate", "run"]);
    assert_eq!(services["homeserver"]["environment"]["MISSIVE_DATABASE__AUTO_MIGRATE"], "false");
    let condition = &services["homeserver"]["depends_on"]["migrate"]["condition"];
    assert_eq!(condition, "service_completed_successfully");
}

#[test]
fn each_image_is_built_once_and_whoever_shares_it_pulls_none() {
    let mut built = BTreeSet::new();
    let services: Vec<_> = services().into_iter().filter(|(file, ..)| file.contains("prod")).collect();
    for (_, name, service) in services.iter().filter(|(.., service)| service.get("build").is_some()) {
        assert!(built.insert(text(&service["image"])), "{name} builds an image that another service builds");
    }
    let shared = services.iter().filter(|(.., service)| service.get("build").is_none());
    for (_, name, service) in shared.filter(|(.., service)| built.contains(&text(&service["image"]))) {
        assert_eq!(service["pull_policy"], "never", "{name}");
    }
    assert_eq!(built.len(), 1);
}

#[test]
fn postgres_is_healthy_only_once_others_can_connect() {
    let mut seen = 0;
    for (file, name, service) in services() {
        let Some(check) = strings(&service["healthcheck"]["test"]) else { continue };
        assert!(check.windows(2).any(|pair| pair == ["--host", "127.0.0.1"]), "{file}: {name}: {check:?}");
        seen += 1;
    }
    assert_eq!(seen, COMPOSE_FILES.len());
}

#[test]
fn caddy_reaches_the_server_and_is_believed() {
    let file = read_yaml("docker-compose.prod.yml");
    let caddy = read("config/Caddyfile");
    let upstream = caddy.lines().find_map(|line| line.trim().strip_prefix("reverse_proxy ")).unwrap();
    let (host, port) = upstream.trim_end_matches(" {").split_once(':').unwrap();
    let service = &file["services"][host];
    assert!(dockerfile_lines("ENV ").concat().contains(&format!("MISSIVE_LISTEN=0.0.0.0:{port}")));
    assert!(dockerfile_lines("EXPOSE ").contains(&port.to_owned()));

    let edge = |service: &Value| strings(&service["networks"]).unwrap().contains(&"edge".to_owned());
    assert!(edge(service) && edge(&file["services"]["caddy"]));
    let subnet = &file["networks"]["edge"]["ipam"]["config"][0]["subnet"];
    assert_eq!(&service["environment"]["MISSIVE_TRUSTED_PROXIES"], subnet);

    let name = caddy.lines().find_map(|line| line.strip_prefix("{$")?.split('}').next()).unwrap();
    assert!(file["services"]["caddy"]["environment"].get(name).is_some(), "Caddy is not told {name}");
}

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> String {
    fs::read_to_string(checkout().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn read_yaml(file: &str) -> Value {
    let mut value: Value = serde_yaml_ng::from_str(&read(file)).unwrap();
    value.apply_merge().unwrap();
    value
}

/// Every service as (file, name, definition).
fn services() -> Vec<(&'static str, String, Value)> {
    let all = COMPOSE_FILES.iter().flat_map(|file| {
        let services = read_yaml(file)["services"].as_mapping().unwrap().clone();
        services.into_iter().map(|(name, service)| (*file, text(&name), service))
    });
    all.collect()
}

/// The Dockerfile's instructions that begin so, without that beginning; continued lines are one.
fn dockerfile_lines(instruction: &str) -> Vec<String> {
    let joined = read("Dockerfile").replace("\\\n", " ");
    joined.lines().filter_map(|line| line.strip_prefix(instruction)).map(str::to_owned).collect()
}

fn dockerfile_commands() -> Vec<Vec<String>> {
    dockerfile_lines("CMD ").iter().map(|command| serde_json::from_str(command).unwrap()).collect()
}

fn is_docker_ignored(path: &str) -> bool {
    let top = path.split('/').next().unwrap();
    read(".dockerignore").lines().any(|line| line.strip_prefix('/') == Some(top))
}

fn mapping(value: &Value) -> impl Iterator<Item = (String, String)> {
    value.as_mapping().cloned().unwrap_or_default().into_iter().map(|(name, value)| (text(&name), text(&value)))
}

fn strings(value: &Value) -> Option<Vec<String>> {
    Some(value.as_sequence()?.iter().map(text).collect())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value:?}")).to_owned()
}

/// What compose makes of `${NAME:-default}`; for `${NAME:?…}`, what the administrator is told to write.
fn substituted(value: &str) -> String {
    match value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
        None => value.to_owned(),
        Some(inner) => inner.split_once(":-").map_or("chat.example.org", |(_, default)| default).to_owned(),
    }
}
