//! Whom files under the prefix belong to, and who may read them.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

use nix::unistd::{self, Uid};

use super::failed;
use crate::conf::{Conf, ConfError};

/// As root, gives `path` to the user that workers run as. Without a user to change to, nothing happens.
pub fn give_to_workers(path: &Path, conf: &Conf) -> Result<(), ConfError> {
    let Some(user) = conf.nginx.main.user.as_ref().filter(|_| Uid::effective().is_root()) else {
        return Ok(());
    };
    let uid = unistd::User::from_name(&user.user).ok().flatten().map(|user| user.uid.as_raw());
    let gid = unistd::Group::from_name(&user.group).ok().flatten().map(|group| group.gid.as_raw());
    chown(path, uid, gid).map_err(|error| failed("change the owner of", path, &error))
}

/// Writes a file that only those in `mode` may read, from its first byte on.
pub fn write_private(path: &Path, content: &[u8], mode: u32) -> Result<(), ConfError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
        file.set_permissions(PermissionsExt::from_mode(mode))?;
        file.write_all(content)
    };
    write().map_err(|error| failed("write", path, &error))
}
