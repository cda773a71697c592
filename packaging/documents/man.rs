//! epitaph(1), in the man macros (man(7)).

use crate::help::Help;
use crate::markdown::{inline, rows, wrap};
use crate::roff::{escape, heading};

/// The page: `--help`, and the table of exit codes of the README.
pub fn page(help: &Help, readme: &str, day: &str) -> Result<String, String> {
    let mut page = heading("EPITAPH", 1, day);
    page += ".SH NAME\nepitaph \\- container init that knows who the container is and how it died\n.SH SYNOPSIS\n";
    for (number, usage) in help.usage.iter().enumerate() {
        if number > 0 {
            page += ".br\n";
        }
        page += &wrap(&usage_line(usage));
    }
    page += ".SH DESCRIPTION\n";
    page += &wrap(&escape(&help.about.join(" ")));
    for section in &help.sections {
        // `Options of tini`, `Environment variables`
        let is_options = section.title.starts_with("Options");
        if is_options && !page.contains(".SH OPTIONS") {
            page += ".SH OPTIONS\n";
        }
        let title = escape(&section.title);
        page +=
            &if is_options { format!(".SS {title}\n") } else { format!(".SH {}\n", title.to_uppercase()) };
        for entry in &section.entries {
            let names: Vec<String> =
                entry.names.iter().map(|name| format!("\\fB{}\\fR", escape(name))).collect();
            let argument =
                entry.argument.as_deref().map_or(String::new(), |name| format!(" \\fI{}\\fR", escape(name)));
            page += &format!(
                ".TP\n{}",
                wrap(&format!("{}{argument}", names.join(", "))).replace('\n', " ").trim_end()
            );
            page += "\n";
            page += &wrap(&escape(&entry.text));
        }
    }
    for note in &help.notes {
        page += ".PP\n";
        page += &wrap(&escape(note));
    }
    page += ".SH EXIT STATUS\n";
    let codes = readme.split("## Exit codes").nth(1).ok_or("the README has no heading `Exit codes`")?;
    let codes = rows(codes.lines().skip_while(|line| !line.starts_with('|')));
    if codes.len() < 3 {
        return Err("the README has no table of exit codes".to_owned());
    }
    for row in &codes[1..] {
        let [code, when] = &row[..] else {
            return Err("a row of the exit codes has not two cells".to_owned());
        };
        page += &format!(".TP\n\\fB{}\\fR\n", inline(code));
        page += &wrap(&inline(when));
    }
    page += ".SH SEE ALSO\n.BR epitaph-records (5),\n.BR docker (1),\n.BR podman (1),\n.BR signal (7)\n";
    Ok(page)
}

/// Capitals are what the user puts there.
fn usage_line(usage: &str) -> String {
    let is_placeholder = |word: &str| word.chars().any(char::is_uppercase);
    let mut line = String::new();
    for (number, word) in usage.split(' ').enumerate() {
        let bare = word.trim_matches(['[', ']', '.']);
        let font = if number == 0 || bare.starts_with('-') { "B" } else { "I" };
        let is_plain = number > 0 && !bare.starts_with('-') && !is_placeholder(bare) && !bare.contains('|');
        let shown = if is_plain || bare.is_empty() {
            escape(word)
        } else {
            escape(word).replace(&escape(bare), &format!("\\f{font}{}\\fR", escape(bare)))
        };
        line += if number > 0 { " " } else { "" };
        line += &shown;
    }
    line
}
