//! What a binary is made of: as CycloneDX for whoever keeps lists of parts, and as cargo-auditable has it for
//! scanners that look into the binary.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What `cargo metadata --format-version 1 --locked --filter-platform TARGET` says, less what is only for
/// tests.
pub struct Metadata {
    root: String,
    /// by their IDs: the package, and the IDs of those that it is made with, and whether those are linked
    nodes: BTreeMap<String, (Value, Vec<(String, bool)>)>,
    checksums: BTreeMap<(String, String), String>,
}

const LOCK: &str = include_str!("../../Cargo.lock");

impl Metadata {
    /// Reads cargo's answer, for a build with these features of the package. Cargo's own choice of what is
    /// used is that of the tests, which have all features on.
    pub fn parse(text: &str, features: &[&str]) -> Result<Metadata, String> {
        let all: Value = serde_json::from_str(text).map_err(|error| format!("cargo metadata: {error}"))?;
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let root = word(&all["resolve"]["root"]);
        if root.is_empty() {
            return Err("cargo metadata names no root package".to_owned());
        }
        let packages: BTreeMap<String, Value> =
            list(&all["packages"]).into_iter().map(|package| (word(&package["id"]), package)).collect();
        let needs: BTreeMap<String, Vec<(String, bool)>> = list(&all["resolve"]["nodes"])
            .iter()
            .map(|node| {
                let used = list(&node["deps"]).into_iter().filter_map(|dependency| {
                    let kinds: Vec<String> =
                        list(&dependency["dep_kinds"]).iter().map(|kind| word(&kind["kind"])).collect();
                    // "" is an ordinary one, "build" one of a build script, "dev" one of tests.
                    let is_linked = kinds.iter().any(String::is_empty);
                    let is_used = is_linked || kinds.iter().any(|kind| kind == "build");
                    is_used.then(|| (word(&dependency["pkg"]), is_linked))
                });
                (word(&node["id"]), used.collect())
            })
            .collect();
        let mut metadata = Metadata { root: root.clone(), nodes: BTreeMap::new(), checksums: checksums() };
        let mut open = vec![root];
        while let Some(id) = open.pop() {
            if metadata.nodes.contains_key(&id) {
                continue;
            }
            let package = packages.get(&id).ok_or_else(|| format!("cargo metadata has no package {id}"))?;
            let mut used = needs.get(&id).cloned().unwrap_or_default();
            if id == metadata.root {
                let off = switched_off(package, features);
                used.retain(|(id, _)| {
                    packages.get(id).is_none_or(|package| !off.contains(&word(&package["name"])))
                });
            }
            open.extend(used.iter().map(|(id, _)| id.clone()));
            metadata.nodes.insert(id, (package.clone(), used));
        }
        Ok(metadata)
    }

    fn named(&self, id: &str) -> (String, String) {
        let word = |key| {
            self.nodes.get(id).and_then(|(package, _)| package[key].as_str()).unwrap_or_default().to_owned()
        };
        (word("name"), word("version"))
    }

    fn reference(&self, id: &str) -> String {
        let (name, version) = self.named(id);
        format!("pkg:cargo/{name}@{version}")
    }

    /// Those that end up in the binary; the rest run while it is built.
    fn linked(&self) -> Vec<&str> {
        let mut linked = vec![self.root.as_str()];
        let mut at = 0;
        while let Some((_, used)) = linked.get(at).and_then(|id| self.nodes.get(*id)) {
            for (id, is_linked) in used {
                let is_macro = self.nodes.get(id).is_some_and(|(package, _)| is_proc_macro(package));
                if *is_linked && !is_macro && !linked.contains(&id.as_str()) {
                    linked.push(id);
                }
            }
            at += 1;
        }
        linked
    }
}

/// The optional dependencies of `package` that none of `features` brings.
fn switched_off(package: &Value, features: &[&str]) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let on: Vec<Value> = features.iter().flat_map(|feature| list(&package["features"][*feature])).collect();
    list(&package["dependencies"])
        .iter()
        .filter(|dependency| dependency["optional"] == true)
        .filter_map(|dependency| dependency["name"].as_str())
        .filter(|name| !on.iter().any(|item| item.as_str() == Some(&format!("dep:{name}"))))
        .map(str::to_owned)
        .collect()
}

fn is_proc_macro(package: &Value) -> bool {
    let targets = package["targets"].as_array().into_iter().flatten();
    targets
        .flat_map(|target| target["kind"].as_array().into_iter().flatten())
        .any(|kind| kind == "proc-macro")
}

/// The SHA-256 of each package of the registry, by its name and version.
fn checksums() -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for package in LOCK.split("[[package]]") {
        let field = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))?;
            Some(line.trim_matches('"').to_owned())
        };
        if let (Some(name), Some(version), Some(sum)) = (field("name"), field("version"), field("checksum")) {
            found.insert((name, version), sum);
        }
    }
    found
}

/// The parts of `binary`, in CycloneDX 1.5. `others` are parts that cargo does not know: `NAME=VERSION`.
pub fn sbom(
    metadata: &Metadata,
    binary: &str,
    target: &str,
    others: &[&str],
    date: &str,
) -> Result<String, String> {
    let linked = metadata.linked();
    let component = |id: &str| {
        let (name, version) = metadata.named(id);
        let package = &metadata.nodes[id].0;
        let mut component = json!({
            "type": if id == metadata.root { "application" } else { "library" },
            "bom-ref": metadata.reference(id), "name": name, "version": version, "purl": metadata.reference(id),
            // What only runs while it is built is not in it.
            "scope": if linked.contains(&id) { "required" } else { "excluded" },
        });
        if let Some(licence) = package["license"].as_str() {
            component["licenses"] = json!([{ "expression": licence.replace('/', " OR ") }]);
        }
        if let Some(sum) = metadata.checksums.get(&(name, version)) {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
        }
        component
    };
    let mut root = component(&metadata.root);
    root["name"] = binary.into();
    root["properties"] = json!([{ "name": "target", "value": target }]);
    if let Ok(sum) = std::env::var("BINARY_SHA256") {
        root["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    let mut components: Vec<Value> =
        metadata.nodes.keys().filter(|id| **id != metadata.root).map(|id| component(id)).collect();
    let mut of_root = Vec::new();
    for other in others {
        let (name, version) = other.split_once('=').ok_or_else(|| format!("{other}: not NAME=VERSION"))?;
        let reference = format!("{name}@{version}");
        components.push(json!({
            "type": "library", "bom-ref": reference, "name": name, "version": version, "scope": "required",
        }));
        of_root.push(reference);
    }
    let dependencies: Vec<Value> = metadata
        .nodes
        .iter()
        .map(|(id, (_, used))| {
            let mut on: Vec<String> = used.iter().map(|(id, _)| metadata.reference(id)).collect();
            if *id == metadata.root {
                on.extend(of_root.iter().cloned());
            }
            on.sort();
            json!({ "ref": metadata.reference(id), "dependsOn": on })
        })
        .collect();
    let document = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": { "timestamp": date, "component": root },
        "components": components, "dependencies": dependencies,
    });
    serde_json::to_string_pretty(&document).map(|text| text + "\n").map_err(|error| error.to_string())
}

/// What goes, compressed by zlib, into the section `.dep-v0`: the format of cargo-auditable
/// (<https://github.com/rust-secure-code/cargo-auditable/blob/master/cargo-auditable.schema.json>).
pub fn auditable(metadata: &Metadata) -> Result<String, String> {
    let linked = metadata.linked();
    let places: BTreeMap<&String, usize> =
        metadata.nodes.keys().enumerate().map(|(place, id)| (id, place)).collect();
    let packages: Vec<Value> = metadata
        .nodes
        .iter()
        .map(|(id, (package, used))| {
            let (name, version) = metadata.named(id);
            let source = if package["source"].is_null() { "local" } else { "crates.io" };
            let mut entry = json!({ "name": name, "version": version, "source": source });
            if !linked.contains(&id.as_str()) {
                entry["kind"] = "build".into();
            }
            let mut on: Vec<usize> = used.iter().filter_map(|(id, _)| places.get(id).copied()).collect();
            on.sort_unstable();
            if !on.is_empty() {
                entry["dependencies"] = on.into();
            }
            if *id == metadata.root {
                entry["root"] = true.into();
            }
            entry
        })
        .collect();
    serde_json::to_string(&json!({ "packages": packages })).map_err(|error| error.to_string())
}
