//! epitaph-records(5), from docs/records.md: as much of Markdown as that document has.

use crate::roff::{escape, heading};

/// The page. Tables become lists of their first column, each with the other cells and their headings.
pub fn page(markdown: &str, day: &str) -> String {
    let mut page = heading("EPITAPH-RECORDS", 5, day);
    page += ".SH NAME\nepitaph\\-records \\- what the container init epitaph writes down\n.SH DESCRIPTION\n";
    let mut lines = markdown.lines().peekable();
    // The title is the page's name.
    while lines.next_if(|line| line.starts_with("# ") || line.is_empty()).is_some() {}
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        } else if let Some(title) = line.strip_prefix("## ") {
            page +=
                &format!(".SH {}\n", inline(title).replace("\\fB", "").replace("\\fR", "").to_uppercase());
        } else if let Some(title) = line.strip_prefix("### ") {
            page += &format!(".SS {}\n", inline(title));
        } else if line.starts_with("```") {
            page += paragraph(&page);
            page += ".nf\n";
            for code in lines.by_ref().take_while(|code| !code.starts_with("```")) {
                page += &code_lines(code);
            }
            page += ".fi\n";
        } else if line.starts_with('|') {
            let mut table = vec![line];
            while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
                table.push(row);
            }
            page += &list_of(&rows(table.into_iter()));
        } else {
            let (mark, first) = marked(line);
            let mut text = first.to_owned();
            while let Some(more) = lines.next_if(|next| goes_on(next)) {
                text.push(' ');
                text.push_str(more.trim());
            }
            page += &mark.map_or(paragraph(&page).to_owned(), |mark| format!(".IP {mark} 3\n"));
            page += &wrap(&inline(&text));
        }
    }
    page += ".SH SEE ALSO\n.BR epitaph (1)\n";
    page
}

/// The request for a new paragraph, which a heading has made already.
fn paragraph(page: &str) -> &'static str {
    let last = page.lines().next_back().unwrap_or_default();
    if last.starts_with(".SH") || last.starts_with(".SS") { "" } else { ".PP\n" }
}

/// The bullet or number of a list's item, and the rest of the line.
fn marked(line: &str) -> (Option<String>, &str) {
    if let Some(item) = line.strip_prefix("- ") {
        return (Some("\\(bu".to_owned()), item);
    }
    match line.split_once(". ") {
        Some((number, item)) if number.parse::<u8>().is_ok() => (Some(format!("{number}.")), item),
        _ => (None, line),
    }
}

fn goes_on(line: &str) -> bool {
    !line.is_empty() && !line.starts_with(['|', '#', '`']) && marked(line).0.is_none()
        || line.starts_with('`') && !line.starts_with("```")
}

/// The cells of a table's rows, the first of which are its headings, without the rule below these.
pub fn rows<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Vec<String>> {
    let table = lines.take_while(|line| line.starts_with('|'));
    let cells = |line: &str| -> Vec<String> {
        // A `|` within a cell is written `\|`.
        let line = line.trim().trim_matches('|').replace("\\|", "\u{1}");
        line.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
    };
    table.filter(|line| !line.starts_with("| ---")).map(cells).collect()
}

fn list_of(rows: &[Vec<String>]) -> String {
    let Some((headings, rows)) = rows.split_first() else { return String::new() };
    let mut list = String::new();
    for row in rows {
        let Some((name, cells)) = row.split_first() else { continue };
        list += &format!(".TP\n\\fB{}\\fR\n", inline(name).replace("\\fB", "").replace("\\fR", ""));
        let told: Vec<String> = headings[1..]
            .iter()
            .zip(cells)
            .filter(|(_, cell)| !cell.is_empty())
            .map(|(heading, cell)| wrap(&format!("\\fI{}\\fR: {}", inline(heading), inline(cell))))
            .collect();
        list += &told.join(".br\n");
    }
    list
}

/// `code`, **bold**, *italic* and [links](to), of which the words stay.
pub fn inline(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (span, font, length) = if let Some((code, _)) =
            rest.strip_prefix('`').and_then(|rest| rest.split_once('`'))
        {
            (escape(code), "B", code.len() + 2)
        } else if let Some((bold, _)) = rest.strip_prefix("**").and_then(|rest| rest.split_once("**")) {
            (inline(bold), "B", bold.len() + 4)
        } else if let Some((italic, _)) = rest.strip_prefix('*').and_then(|rest| rest.split_once('*')) {
            (inline(italic), "I", italic.len() + 2)
        } else if let Some((words, link)) = rest.strip_prefix('[').and_then(|rest| rest.split_once("](")) {
            let target = link.find(')').unwrap_or(link.len());
            (inline(words), "", words.len() + target + 4)
        } else {
            (escape(&first.to_string()), "", first.len_utf8())
        };
        result += &if font.is_empty() { span } else { format!("\\f{font}{span}\\fR") };
        rest = rest.get(length..).unwrap_or_default();
    }
    result
}

/// A line of code, in pieces that a terminal has room for; what goes on ends in a backslash.
fn code_lines(code: &str) -> String {
    let letters: Vec<char> = code.chars().collect();
    let pieces: Vec<String> =
        letters.chunks(70).map(|piece| escape(&piece.iter().collect::<String>())).collect();
    pieces.into_iter().map(guarded).collect::<Vec<_>>().join("\\e\n") + "\n"
}

/// Lines of at most some 78 characters, a new one for each sentence, none of which roff takes for a request.
pub fn wrap(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { continue };
        let ends = line.ends_with(['.', '?', '!']) && !line.ends_with("e.g.") && !line.ends_with("...");
        if !line.is_empty() && (ends || line.len() + word.len() > 78) {
            lines.push(word.to_owned());
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines.into_iter().map(|line| guarded(line) + "\n").collect()
}

/// A line that roff does not take for a request.
fn guarded(line: String) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}
