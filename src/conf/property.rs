//! One row of the table: a property of kong.conf.

/// A property: its name, how its value is read, its default and what it means.
///
/// Rows are written with the constructor of their kind and refined by the methods below, all `const`:
/// the table is data.
#[derive(Debug, Clone, Copy)]
pub struct Property {
    /// The name in kong.conf. `KONG_` and the name in capitals is the environment variable.
    pub name: &'static str,
    /// How the value is read.
    pub kind: Kind,
    /// The value when nobody sets one; empty means unset.
    pub default: &'static str,
    /// What kong.conf.default shows instead of the default, where the two differ.
    pub shown: Option<&'static str>,
    /// What it means, for kong.conf.default. Empty for properties that are not shown there.
    pub description: &'static str,
    /// Words of [`Kind::OneOf`] that are accepted beside Kong's and not listed in its error message.
    pub also: &'static [&'static str],
    /// Whether the value is masked wherever the configuration is printed.
    pub sensitive: bool,
    /// The property that this one sets when the user did not set that one.
    pub alias_of: Option<&'static str>,
    /// The nginx directives that this property sets when the user did not set them.
    pub sets: &'static [&'static str],
    /// What is deprecated about it.
    pub deprecated: Option<Deprecated>,
}

/// How a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The text as it is.
    Text,
    /// A number.
    Number,
    /// `on` or `true`, else false.
    Boolean,
    /// `on` or `true`, else `off`; stays a word because nginx reads it.
    Switch,
    /// Texts separated by commas.
    List,
    /// One of the listed words.
    OneOf(&'static [&'static str]),
}

/// What is deprecated about a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deprecated {
    /// The property itself, in favour of another one.
    UseInstead(&'static str),
    /// The property itself: it has no effect any more.
    Ignored,
    /// Only one of its values. The warning is given whenever the property is set.
    Value(&'static str),
}

impl Property {
    /// A text.
    pub const fn text(name: &'static str, default: &'static str, description: &'static str) -> Property {
        Property::new(name, Kind::Text, default, description)
    }

    /// A number.
    pub const fn number(name: &'static str, default: &'static str, description: &'static str) -> Property {
        Property::new(name, Kind::Number, default, description)
    }

    /// A boolean.
    pub const fn boolean(name: &'static str, default: &'static str, description: &'static str) -> Property {
        Property::new(name, Kind::Boolean, default, description)
    }

    /// An nginx switch.
    pub const fn switch(name: &'static str, default: &'static str, description: &'static str) -> Property {
        Property::new(name, Kind::Switch, default, description)
    }

    /// A list.
    pub const fn list(name: &'static str, default: &'static str, description: &'static str) -> Property {
        Property::new(name, Kind::List, default, description)
    }

    /// One of `words`.
    pub const fn one_of(
        name: &'static str,
        words: &'static [&'static str],
        default: &'static str,
        description: &'static str,
    ) -> Property {
        Property::new(name, Kind::OneOf(words), default, description)
    }

    const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        description: &'static str,
    ) -> Property {
        Property {
            name,
            kind,
            default,
            shown: None,
            description,
            also: &[],
            sensitive: false,
            alias_of: None,
            sets: &[],
            deprecated: None,
        }
    }

    /// The same row, accepting `words` that Kong does not have.
    pub const fn also(self, words: &'static [&'static str]) -> Property {
        Property { also: words, ..self }
    }

    /// The same row, its value masked when printed.
    pub const fn sensitive(self) -> Property {
        Property { sensitive: true, ..self }
    }

    /// The same row, shown in kong.conf.default with `value`.
    pub const fn shown_as(self, value: &'static str) -> Property {
        Property { shown: Some(value), ..self }
    }

    /// The same row, setting `property` too.
    pub const fn alias_of(self, property: &'static str) -> Property {
        Property { alias_of: Some(property), ..self }
    }

    /// The same row, setting nginx `directives` too.
    pub const fn sets(self, directives: &'static [&'static str]) -> Property {
        Property { sets: directives, ..self }
    }

    /// The same row, warned about when it is used.
    pub const fn deprecated(self, what: Deprecated) -> Property {
        Property { deprecated: Some(what), ..self }
    }

    /// The environment variable that sets the property.
    pub fn environment_name(&self) -> String {
        environment_name(self.name)
    }
}

/// The environment variable for the property called `name`.
pub fn environment_name(name: &str) -> String {
    format!("KONG_{}", name.to_uppercase())
}
