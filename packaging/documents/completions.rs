//! Completions for bash, zsh and fish, from the options that `--help` names.

use crate::help::{Entry, Help};
use epitaph::options::Signal;

/// What may stand where an option has its argument.
enum Values {
    Words(Vec<String>),
    Folder,
    Anything,
}

/// The file for `shell`.
pub fn of(help: &Help, shell: &str) -> Result<String, String> {
    match shell {
        "bash" => Ok(bash(help)),
        "zsh" => Ok(zsh(help)),
        "fish" => Ok(fish(help)),
        other => Err(format!("{other}: bash, zsh or fish")),
    }
}

fn values(option: &Entry) -> Values {
    let choices = option.choices();
    match option.argument.as_deref() {
        Some("SIGNAL") => {
            let names = (1..=31).filter_map(Signal::new).map(|signal| signal.to_string());
            Values::Words(names.collect())
        }
        Some("DIR") => Values::Folder,
        Some("FORMAT") if !choices.is_empty() => {
            Values::Words(choices.into_iter().map(str::to_owned).collect())
        }
        _ => Values::Anything,
    }
}

fn bash(help: &Help) -> String {
    let mut cases = String::new();
    for option in help.options().filter(|option| option.argument.is_some()) {
        let then = match values(option) {
            Values::Words(words) => {
                format!("mapfile -t COMPREPLY < <(compgen -W \"{}\" -- \"$word\")", words.join(" "))
            }
            Values::Folder => "mapfile -t COMPREPLY < <(compgen -A directory -- \"$word\")".to_owned(),
            Values::Anything => ":".to_owned(),
        };
        cases += &format!(
            "        {})\n            {then}\n            return\n            ;;\n",
            option.names.join(" | ")
        );
    }
    let with_argument: Vec<&str> = names(help, |option| option.argument.is_some());
    let all = names(help, |_| true).join(" ");
    format!(
        "# bash completion of epitaph; made from `epitaph --help`\n\
         _epitaph() {{\n\
         \x20   local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} at\n\
         \x20   COMPREPLY=()\n\
         \x20   # The program, and all that follows it, is completed as without epitaph.\n\
         \x20   for ((at = 1; at < COMP_CWORD; at++)); do\n\
         \x20       case ${{COMP_WORDS[at]}} in\n\
         \x20           --) ((at++)) ;;\n\
         \x20           {with_argument}) ((at++)); continue ;;\n\
         \x20           -*) continue ;;\n\
         \x20       esac\n\
         \x20       break\n\
         \x20   done\n\
         \x20   if ((at < COMP_CWORD)) || [[ $before == -- ]]; then\n\
         \x20       if declare -F _command_offset >/dev/null; then _command_offset \"$at\"; fi\n\
         \x20       return\n\
         \x20   fi\n\
         \x20   case $before in\n\
         {cases}\
         \x20   esac\n\
         \x20   if [[ $word == -* ]]; then\n\
         \x20       mapfile -t COMPREPLY < <(compgen -W \"{all} --\" -- \"$word\")\n\
         \x20   else\n\
         \x20       mapfile -t COMPREPLY < <(compgen -c -- \"$word\")\n\
         \x20   fi\n\
         }}\n\
         complete -F _epitaph epitaph\n",
        with_argument = with_argument.join(" | "),
    )
}

fn zsh(help: &Help) -> String {
    let mut specs = String::new();
    for option in help.options() {
        let text =
            option.text.replace('\'', "'\\''").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:");
        let argument = option.argument.as_deref().map_or(String::new(), |name| {
            let values = match values(option) {
                Values::Words(words) => format!("({})", words.join(" ")),
                Values::Folder => "_files -/".to_owned(),
                Values::Anything => " ".to_owned(),
            };
            format!(":{}:{values}", name.replace(':', "\\:"))
        });
        for name in &option.names {
            // A long option takes its argument after `=` too.
            let joint = if option.argument.is_some() && name.starts_with("--") { "=" } else { "" };
            specs += &format!("    '*{name}{joint}[{text}]{argument}' \\\n");
        }
    }
    format!(
        "#compdef epitaph\n# made from `epitaph --help`\n_arguments -s -S \\\n{specs}    '(-)*:: :_normal'\n"
    )
}

fn fish(help: &Help) -> String {
    let mut lines = String::from(
        "# fish completion of epitaph; made from `epitaph --help`\n\
         complete -c epitaph -x -a '(__fish_complete_subcommand)'\n",
    );
    for option in help.options() {
        lines += "complete -c epitaph";
        for name in &option.names {
            lines += &match name.strip_prefix("--") {
                Some(long) => format!(" -l {long}"),
                None => format!(" -s {}", name.trim_start_matches('-')),
            };
        }
        if option.argument.is_some() {
            lines += &match values(option) {
                Values::Words(words) => format!(" -x -a '{}'", words.join(" ")),
                Values::Folder => " -x -a '(__fish_complete_directories)'".to_owned(),
                Values::Anything => " -x".to_owned(),
            };
        }
        lines += &format!(" -d '{}'\n", option.text.replace('\\', "\\\\").replace('\'', "\\'"));
    }
    lines
}

fn names(help: &Help, wanted: impl Fn(&Entry) -> bool) -> Vec<&str> {
    help.options()
        .filter(|option| wanted(option))
        .flat_map(|option| &option.names)
        .map(String::as_str)
        .collect()
}
