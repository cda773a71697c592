//! Every shape of /proc that is known, and what is true of it: no answer is ever wrong.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use epitaph::identity::container_id::{container_id, names_ecs, task_id};
use epitaph::identity::{Field, System, cgroup, local, mountinfo};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

const SHAPES: &str = include_str!("fixtures/proc/shapes.txt");

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OUTER: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const OTHER: &str = "2222222222222222222222222222222222222222222222222222222222222222";
const TASK: &str = "fedcba9876543210fedcba9876543210";
const UUID: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

/// The files of a shape by their name, and what is true by its key.
#[derive(Debug, Default)]
struct Shape {
    name: String,
    files: BTreeMap<String, String>,
    truth: BTreeMap<String, String>,
}

fn shapes() -> Vec<Shape> {
    let text = [("$ID", ID), ("$OUTER", OUTER), ("$OTHER", OTHER), ("$TASK", TASK), ("$UUID", UUID)]
        .into_iter()
        .fold(SHAPES.replace("$NUMBER", "1234567890"), |text, (name, value)| text.replace(name, value));
    let mut shapes: Vec<Shape> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            shapes.push(Shape { name: name.trim_end_matches(']').to_owned(), ..Shape::default() });
            continue;
        }
        let shape = shapes.last_mut().expect("a name before the lines");
        match line.split_once(" = ") {
            Some((key @ ("id" | "from" | "task" | "ecs"), value)) => {
                shape.truth.insert(key.to_owned(), value.to_owned());
            }
            _ => {
                let (file, text) = line.split_once(' ').expect("a file and a line of it");
                assert!(["cpuset", "cgroup", "mountinfo", "hostname"].contains(&file), "{line}");
                let content = shape.files.entry(file.to_owned()).or_default();
                content.push_str(text);
                content.push('\n');
            }
        }
    }
    shapes
}

fn write(root: &Path, shape: &Shape) {
    for (file, content) in &shape.files {
        let path = match file.as_str() {
            "hostname" => root.join("proc/sys/kernel/hostname"),
            file => root.join("proc/self").join(file),
        };
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

#[test]
fn no_answer_is_wrong() {
    let shapes = shapes();
    assert!(shapes.len() >= 60, "{}", shapes.len());
    let mut wrong = Vec::new();
    for shape in &shapes {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), shape);
        let told = local(&System::given(root.path(), []));
        let identity = &told.identity;
        let mut answer = BTreeMap::new();
        let mut note = |key: &str, value: Option<&str>| {
            value.map(|value| answer.insert(key.to_owned(), value.to_owned()));
        };
        note("id", identity.get(Field::ContainerId));
        note("from", identity.source(Field::ContainerId).map(|source| source.name()));
        note("task", identity.get(Field::TaskId));
        note("ecs", told.ecs_is_evident.then_some("yes"));
        if answer != shape.truth {
            wrong.push(format!("{}: {answer:?}, but it is {:?}", shape.name, shape.truth));
        }
        assert_eq!(told.warnings, [""; 0], "{}", shape.name);
    }
    assert!(wrong.is_empty(), "{} of {} shapes:\n{}", wrong.len(), shapes.len(), wrong.join("\n"));
}

#[test]
fn each_shape_has_a_name_of_its_own() {
    let mut names: Vec<String> = shapes().into_iter().map(|shape| shape.name).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn a_line_of_any_length_costs_no_more_than_its_length() {
    let long = "/docker/".repeat(100_000);
    assert_eq!(container_id(&long), None);
    let line = format!("0::{long}{ID}\n").repeat(3);
    assert_eq!(cgroup::parse("", &line).get(Field::ContainerId), Some(ID));
    let deep = format!("0::{}", format!("/{ID}").repeat(10_000));
    assert_eq!(cgroup::parse("", &deep).get(Field::ContainerId), Some(ID));
    assert_eq!(mountinfo::parse(&"1 2 3 / /etc/hosts ".repeat(100_000)).get(Field::ContainerId), None);
}

#[test]
fn garbage_in_the_files_is_survived() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("proc/self");
    std::fs::create_dir_all(&directory).unwrap();
    let garbage: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    for file in ["cpuset", "cgroup", "mountinfo"] {
        std::fs::write(directory.join(file), &garbage).unwrap();
    }
    assert_eq!(local(&System::given(root.path(), [])).identity.get(Field::ContainerId), None);

    let mut bytes = garbage;
    bytes.truncate(1024);
    bytes.extend_from_slice(format!("\n0::/docker/{ID}\n").as_bytes());
    std::fs::write(directory.join("cgroup"), bytes).unwrap();
    std::fs::remove_file(directory.join("cpuset")).unwrap();
    assert_eq!(local(&System::given(root.path(), [])).identity.get(Field::ContainerId), Some(ID));
}

/// What an ID is, written down a second time and in another way than the program has it.
fn has_the_form_of_an_id(text: &str) -> bool {
    let hex = |text: &str| text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    match text.len() {
        64 => hex(text),
        33.. => {
            text.is_char_boundary(32) && hex(&text[..32]) && &text[32..33] == "-" && {
                let number = &text[33..];
                (4..=20).contains(&number.len()) && number.chars().all(|c| c.is_ascii_digit())
            }
        }
        _ => false,
    }
}

/// Parts of real paths and near misses of them, so that the interesting places are reached.
fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9a-f]{64}",
        "[0-9a-f]{63,65}",
        "[0-9a-fA-F]{64}",
        "[0-9a-f]{32}",
        "[0-9a-f]{32}-[0-9]{1,22}",
        "(docker|libpod|libpod-conmon|crio|cri-containerd|machine|session)-[0-9a-f]{63,65}(\\.scope|\\.slice|)",
        "[a-z-]{1,12}:(cri-containerd|docker|x):[0-9a-f]{63,65}",
        "ecstasks-[0-9a-f]{32}\\.slice",
        "(ecs|docker|kubepods|system\\.slice|ecstasks\\.slice|lxc|buildkit|container|init\\.scope|\\.\\.)",
        "\\PC{0,12}",
    ]
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(part(), 0..6).prop_map(|parts| format!("/{}", parts.join("/")))
}

proptest! {
    // PROPTEST_CASES asks for more than the 256 of each.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_not_an_id_is_never_returned(path in path()) {
        if let Some(id) = container_id(&path) {
            prop_assert!(has_the_form_of_an_id(id), "{id} of {path}");
            // It is a whole word of the path, and not a piece of a longer one.
            let place = path.rfind(id).unwrap();
            let before = path[..place].chars().next_back();
            let after = path[place + id.len()..].chars().next();
            prop_assert!(before.is_some_and(|c| "/-:".contains(c)), "{path}");
            prop_assert!(after.is_none_or(|c| "./".contains(c)), "{path}");
            if id.contains('-') {
                prop_assert!(names_ecs(&path), "{path}");
            }
        }
        if let Some(task) = task_id(&path) {
            prop_assert!(container_id(&path).is_some() && names_ecs(&path), "{path}");
            prop_assert!(task.len() == 32 || task.len() == 36, "{path}");
        }
    }

    #[test]
    fn lines_give_an_id_of_one_of_them_or_none(cpuset in path(), paths in prop::collection::vec(path(), 0..4)) {
        let text: String = paths.iter().map(|path| format!("4:memory:{path}\n")).collect();
        let identity = cgroup::parse(&cpuset, &text);
        if let Some(id) = identity.get(Field::ContainerId) {
            let named = |path: &String| path.lines().next().and_then(container_id) == Some(id);
            prop_assert!(paths.iter().any(named) || named(&cpuset));
        }
    }

    #[test]
    fn any_text_is_survived(cpuset in "\\PC*", cgroup in "(\\PC|\n|:|/){0,400}", mounts in "(\\PC|\n| |/){0,400}") {
        for identity in [cgroup::parse(&cpuset, &cgroup), mountinfo::parse(&mounts)] {
            let id = identity.get(Field::ContainerId);
            prop_assert!(id.is_none_or(has_the_form_of_an_id));
        }
    }

    #[test]
    fn every_real_id_is_found(id in "[0-9a-f]{64}", around in prop::sample::select(vec![
        "/docker/", "/system.slice/docker-*.scope", "/kubepods/burstable/podx/", "/machine.slice/libpod-*.scope/container",
        "/a.slice/crio-*.scope", "/k.slice/cri-containerd-*.scope", "/k.slice:cri-containerd:", "/ecs/x/",
    ])) {
        let path = if around.contains('*') { around.replace('*', &id) } else { format!("{around}{id}") };
        prop_assert_eq!(container_id(&path), Some(id.as_str()));
    }
}
