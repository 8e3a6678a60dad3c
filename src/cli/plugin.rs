//! `kong plugin`: from nothing to a plugin that is tested, and a gateway to try it in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};

use super::{Command, Invocation, script};
use crate::conf::{Conf, Sources, absolute};
use crate::lua::{Context, LuaError, Phase, Vm};

/// The command.
pub const COMMAND: Command = Command {
    name: "plugin",
    usage: "\
Usage: kong plugin COMMAND [OPTIONS]

Write plugins.

The available commands are:
  new <name>     Make a folder with a plugin: schema, handler, a spec that
                 passes, and a kong.yml to try it with.

  dev [<folder>] Start a gateway with the plugin of a folder (of this one
                 unless named) in the foreground. Saving a file reloads it,
                 errors are shown here. Settings are taken from KONG_<NAME>.

Options:
",
    subcommands: &["dev", "new"],
    options: &[],
    execute,
};

/// What stands for the plugin's name in the template, and in the paths of its files.
const NAME: &str = "%NAME%";

/// The files of a new plugin.
const TEMPLATE: &[(&str, &str)] = &[
    ("kong/plugins/%NAME%/handler.lua", include_str!("plugin_template/handler.lua")),
    ("kong/plugins/%NAME%/schema.lua", include_str!("plugin_template/schema.lua")),
    ("spec/%NAME%/01-access_spec.lua", include_str!("plugin_template/spec.lua")),
    ("kong.yml", include_str!("plugin_template/kong.yml")),
    ("kong-plugin-%NAME%-0.1.0-1.rockspec", include_str!("plugin_template/rockspec")),
];

/// Settings of a gateway to try a plugin in, unless the environment has others.
const SETTINGS: &[(&str, &str)] = &[
    ("DATABASE", "off"),
    ("NGINX_DAEMON", "off"),
    ("PROXY_LISTEN", "127.0.0.1:8000"),
    ("ADMIN_LISTEN", "127.0.0.1:8001"),
    ("ADMIN_GUI_LISTEN", "off"),
    ("PROXY_ACCESS_LOG", "/dev/stdout"),
    ("ADMIN_ACCESS_LOG", "off"),
    ("PROXY_ERROR_LOG", "/dev/stderr"),
    ("ADMIN_ERROR_LOG", "/dev/stderr"),
    ("LOG_LEVEL", "notice"),
    ("NGINX_MAIN_WORKER_PROCESSES", "1"),
    ("ANONYMOUS_REPORTS", "off"),
];

fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let argument = invocation.positional.first().map(String::as_str);
    if invocation.subcommand.as_deref() == Some("new") {
        let name = argument.context("the 'new' command needs a <name> argument \nkong plugin new <name>")?;
        create(invocation, name)
    } else {
        develop(&absolute(Path::new(argument.unwrap_or("."))))
    }
}

fn create(invocation: &Invocation, name: &str) -> anyhow::Result<ExitCode> {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ensure!(
        !name.is_empty() && name.bytes().all(is_letter),
        "'{name}' is no name for a plugin: use lower case letters, digits and '-'"
    );
    let folder = PathBuf::from(format!("kong-plugin-{name}"));
    ensure!(!folder.exists(), "{} already exists.\nWill not overwrite it.", folder.display());
    for (path, text) in TEMPLATE {
        let path = folder.join(path.replace(NAME, name));
        let parent = path.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).with_context(|| format!("could not make {}", parent.display()))?;
        fs::write(&path, text.replace(NAME, name))
            .with_context(|| format!("could not write {}", path.display()))?;
    }
    invocation.console.info(format!(
        "{folder} holds the plugin '{name}'. Now:\n\n  cd {folder}\n  kong test spec\n  kong plugin dev",
        folder = folder.display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn develop(folder: &Path) -> anyhow::Result<ExitCode> {
    let names = plugins_in(folder)?;
    let conf = Conf::load(&Sources::new(None).without_default_files().environment([].into()))?;
    let prefix = tempfile_folder()?;
    script::run(&conf, script::Kind::Specs, |vm| async move {
        call(&vm, START_MOCKS).await.map_err(script::failed)?;
        let ended = node(folder, &names, &prefix).status().await;
        call(&vm, END).await.map_err(script::failed)?;
        // What is left of a prefix that is not there any more is nothing.
        let _ = fs::remove_dir_all(&prefix);
        let code = ended.context("could not start the gateway")?.code();
        Ok(code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
    })
}

/// The mock upstream, for plugins that want to be tried in front of something.
const START_MOCKS: &[u8] = b"assert(require('spec.internal.mocks').start('dev', true))";

/// Ends what was started beside the gateway.
const END: &[u8] = b"require('kong.program_end').run()";

async fn call(vm: &Vm, source: &[u8]) -> Result<(), LuaError> {
    let function = vm.load("=kong plugin", source)?;
    vm.call(&function, Context::bare(Phase::Timer), |_| 0).await.map(drop)
}

/// The names of the plugins in a folder.
fn plugins_in(folder: &Path) -> anyhow::Result<Vec<String>> {
    let plugins = folder.join("kong/plugins");
    let entries = fs::read_dir(&plugins).with_context(|| format!("no plugins at {}", plugins.display()))?;
    let names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("handler.lua").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    ensure!(!names.is_empty(), "no plugin with a handler.lua at {}", plugins.display());
    Ok(names)
}

fn tempfile_folder() -> anyhow::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("kong-plugin-dev-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
    Ok(folder)
}

/// The gateway, as a process of the terminal's.
fn node(folder: &Path, names: &[String], prefix: &Path) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(script::program());
    command.arg("start");
    let mut set = |name: &str, value: &str| {
        let name = format!("KONG_{name}");
        if std::env::var_os(&name).is_none() {
            command.env(name, value);
        }
    };
    SETTINGS.iter().for_each(|(name, value)| set(name, value));
    set("PREFIX", &prefix.to_string_lossy());
    set("PLUGINS", &format!("bundled,{}", names.join(",")));
    let folder = folder.display();
    set("LUA_PACKAGE_PATH", &format!("{folder}/?.lua;{folder}/?/init.lua;;"));
    set("DECLARATIVE_CONFIG", &format!("{folder}/kong.yml"));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_template_names_its_plugin() {
        for (path, text) in TEMPLATE {
            assert!(text.contains(NAME) || path.contains(NAME), "{path}");
            assert!(!text.replace(NAME, "example").contains('%'), "{path}");
        }
    }

    #[test]
    fn plugins_are_found_by_their_handlers() {
        let folder = tempfile::tempdir().unwrap();
        assert!(plugins_in(folder.path()).is_err());
        fs::create_dir_all(folder.path().join("kong/plugins/empty")).unwrap();
        assert!(plugins_in(folder.path()).is_err());
        let own = folder.path().join("kong/plugins/own");
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("handler.lua"), "return {}").unwrap();
        assert_eq!(plugins_in(folder.path()).unwrap(), ["own"]);
    }
}
