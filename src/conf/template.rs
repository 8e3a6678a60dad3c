//! kong.conf.default, printed from the table.

use super::property::Property;
use super::table::{SHOWN, Section};

const WIDTH: usize = 100;
const HEAD: &str = "\
# Configuration of the gateway.
#
# Every property is shown with its default, commented out. Copy this file to /etc/kong/kong.conf, or
# anywhere else and name it with `kong start -c`, and uncomment what you change.
#
# What wins, strongest first: flags of the command, environment variables, this file, the defaults. The
# variable for a property is its name in capitals after `KONG_`: `KONG_LOG_LEVEL` sets `log_level`.
#
# Booleans are `on`, `off`, `true` or `false`; lists are separated by commas. `#` begins a comment, also
# after a value; write `\\#` for the character itself. A value `{vault://env/my-secret}` is taken from the
# environment variable MY_SECRET when the gateway starts.
#
# `kong check <file>` tells whether a file is valid. This file is printed from src/conf/table.
";

/// The text of kong.conf.default.
pub fn kong_conf_default() -> String {
    let mut text = HEAD.to_owned();
    for section in SHOWN {
        print_section(&mut text, section);
    }
    text
}

fn print_section(text: &mut String, section: &Section) {
    let rule = "#".repeat(WIDTH);
    text.push_str(&format!("\n{rule}\n# {}\n{rule}\n", section.title.to_uppercase()));
    if !section.introduction.is_empty() {
        text.push('\n');
        wrap(text, section.introduction);
    }
    for property in section.properties {
        print_property(text, property);
    }
}

fn print_property(text: &mut String, property: &Property) {
    text.push('\n');
    wrap(text, property.description);
    let value = property.shown.unwrap_or(property.default);
    text.push_str(format!("#{} = {value}", property.name).trim_end());
    text.push('\n');
}

fn wrap(text: &mut String, paragraph: &str) {
    let mut line = "#".to_owned();
    for word in paragraph.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            "#".clone_into(&mut line);
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::file;

    /// The committed file, from the table's own words.
    #[test]
    fn the_committed_file_is_what_the_table_prints() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/kong.conf.default");
        if std::env::var_os("KONG_UPDATE_DEFAULT").is_some() {
            std::fs::write(path, kong_conf_default()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == kong_conf_default(),
            "run this test with KONG_UPDATE_DEFAULT=1 and commit the file"
        );
    }

    #[test]
    fn every_shown_property_is_described() {
        for property in SHOWN.iter().flat_map(|section| section.properties) {
            assert!(property.description.len() > 20, "{} has no description", property.name);
        }
    }

    #[test]
    fn the_printed_file_is_a_configuration_without_properties() {
        assert!(file::parse(&kong_conf_default(), file::Dialect::KongConf).is_empty());
    }
}
