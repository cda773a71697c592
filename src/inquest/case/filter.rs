//! Which lives are asked for.

use super::life::Life;

/// A pattern for a name: `*` is any text, `?` any letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<char>);

impl Glob {
    /// Takes the pattern as it is; there is no wrong one.
    pub fn new(pattern: &str) -> Glob {
        Glob(pattern.chars().collect())
    }

    /// Whether `text` is what the pattern means, all of it.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut in_pattern) = (0, 0);
        // Where the last `*` stands, and how much of the text it has taken.
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            match (self.0.get(in_pattern), text.get(at)) {
                (Some('*'), _) => {
                    star = Some((in_pattern, at));
                    in_pattern += 1;
                }
                (Some(letter), Some(other)) if *letter == '?' || letter == other => {
                    at += 1;
                    in_pattern += 1;
                }
                _ => {
                    let Some((place, taken)) = star else { return false };
                    star = Some((place, taken + 1));
                    at = taken + 1;
                    in_pattern = place + 1;
                }
            }
        }
        self.0.get(in_pattern..).unwrap_or_default().iter().all(|letter| *letter == '*')
    }
}

/// What a life must be to be shown. Each list that is not empty must have one that fits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// ended, or last seen, at this time or later, in milliseconds since 1970
    pub since: Option<i64>,
    /// begun at this time or earlier
    pub until: Option<i64>,
    /// `family` or `family:revision`
    pub family: Vec<Glob>,
    /// the service
    pub service: Vec<Glob>,
    /// the container's name in the task definition
    pub container: Vec<Glob>,
    /// the cluster
    pub cluster: Vec<Glob>,
    /// the availability zone
    pub az: Vec<Glob>,
    /// the host's name, address or container instance
    pub host: Vec<Glob>,
    /// the image or its digest
    pub image: Vec<Glob>,
    /// the verdicts, and `none`
    pub verdict: Vec<String>,
}

/// The verdicts that `--verdict` knows: those of docs/records.md.
pub const VERDICTS: [&str; 12] = [
    "ok",
    "failed",
    "stopped",
    "expired",
    "oom_killed",
    "oom_child",
    "oom_suspected",
    "killed",
    "kill_after",
    "crashed",
    "signaled",
    "not_started",
];

/// Whether this is how a program is meant to end: by itself, when it was stopped, or when it was as old as it
/// may become.
pub fn is_good(verdict: &str) -> bool {
    ["ok", "stopped", "expired"].contains(&verdict)
}

/// The verdicts that a list such as `oom,none,failed` names.
///
/// # Errors
/// A sentence with the names there are.
pub fn verdicts(list: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word {
            "oom" => names.extend(["oom_killed", "oom_child", "oom_suspected"].map(str::to_owned)),
            "bad" => {
                let bad = VERDICTS.iter().filter(|verdict| !is_good(verdict));
                names.extend(bad.map(|verdict| (*verdict).to_owned()));
                names.push("none".to_owned());
            }
            word if word == "none" || VERDICTS.contains(&word) => names.push(word.to_owned()),
            word => {
                return Err(format!(
                    "no verdict {word:?}: there are {}, and oom, bad, none",
                    VERDICTS.join(", ")
                ));
            }
        }
    }
    if names.is_empty() { Err("no verdict is named".to_owned()) } else { Ok(names) }
}

impl Filter {
    /// Whether all are asked for.
    pub fn is_open(&self) -> bool {
        *self == Filter::default()
    }

    /// Whether `life` is asked for.
    pub fn wants(&self, life: &Life) -> bool {
        let fits = |globs: &[Glob], texts: &[Option<&str>]| {
            globs.is_empty() || globs.iter().any(|glob| texts.iter().flatten().any(|text| glob.matches(text)))
        };
        let of = |key: &str| life.get(key);
        let with_revision =
            of("family").zip(of("revision")).map(|(family, revision)| format!("{family}:{revision}"));
        let instance = of("instance_arn").and_then(|arn| arn.rsplit('/').next());
        let in_time = self.since.is_none_or(|since| life.at().is_some_and(|at| at >= since))
            && self.until.is_none_or(|until| life.begun().or(life.at()).is_some_and(|begun| begun <= until));
        let verdict = life.verdict().unwrap_or("none");
        in_time
            && fits(&self.family, &[of("family"), with_revision.as_deref()])
            && fits(&self.service, &[of("service")])
            && fits(&self.container, &[of("container_name"), of("docker_name"), life.name.as_deref()])
            && fits(&self.cluster, &[of("cluster")])
            && fits(&self.az, &[of("availability_zone")])
            && fits(&self.host, &[of("hostname"), of("ip"), of("instance_arn"), instance])
            && fits(&self.image, &[of("image"), of("image_id")])
            && (self.verdict.is_empty() || self.verdict.iter().any(|wanted| wanted == verdict))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let matches = |pattern: &str, text: &str| Glob::new(pattern).matches(text);
        for (pattern, text) in [
            ("shop", "shop"),
            ("shop*", "shop-web"),
            ("*web", "shop-web"),
            ("s*p-?eb", "shop-web"),
            ("*", ""),
            ("**", "x"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("shop", "shop-web"), ("*x", "shop"), ("?", ""), ("a*b*c", "acb")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
        // No pattern takes long.
        assert!(!matches(&"*a".repeat(200), &"a".repeat(199)));
    }

    #[test]
    fn names_of_verdicts() {
        assert_eq!(
            verdicts("oom,none"),
            Ok(["oom_killed", "oom_child", "oom_suspected", "none"].map(str::to_owned).into())
        );
        assert!(
            verdicts("bad").is_ok_and(|names| names.len() == 10 && !names.iter().any(|name| is_good(name)))
        );
        assert!(verdicts("dead").is_err_and(|text| text.contains("not_started")));
        assert!(verdicts("").is_err());
    }
}
