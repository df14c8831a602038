//! S: connections and the agent.

use super::CodeEntry;

const fn code(code: &'static str, title: &'static str, text: &'static str) -> CodeEntry {
    CodeEntry { code, title, text }
}

pub(super) const ENTRIES: &[CodeEntry] = &[
    code(
        "S0101",
        "ssh could not connect",
        "The ssh program ended before the login, for a reason that hostctl does not know. Its last message is shown; \
         the hint is the same connection by hand, with ssh's own explanations (`-v`).",
    ),
    code(
        "S0102",
        "the host key is not known",
        "hostctl talks only to hosts whose key is known. Compare the fingerprint that is shown with the one on the \
         host's console (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`), then accept it with the command in the \
         hint, or pin the public key in the inventory as `hostctl_host_key: ssh-ed25519 AAAA...`.",
    ),
    code(
        "S0103",
        "the host key has changed",
        "The host shows another key than the known one. That is normal after a reinstallation, and it is what an \
         attack looks like. Find out which it is before you forget the old key with the command in the hint.",
    ),
    code(
        "S0104",
        "the login was refused",
        "The server accepted neither a key nor the password. hostctl uses your ssh agent, the keys of your ssh \
         configuration, `ansible_ssh_private_key_file` and `ansible_password`. What the hint says must work without a \
         question.",
    ),
    code(
        "S0105",
        "the host's name could not be resolved",
        "ssh found no address for the host. Set `ansible_host` in the inventory, or a `Host` section with `HostName` \
         in your ssh configuration.",
    ),
    code("S0106", "the connection was refused", "Nothing listens on the host's ssh port, or a firewall rejects it."),
    code(
        "S0107",
        "the host did not answer in time",
        "No answer within `ansible_timeout` (10 s if not set). The host may be off, or a firewall drops the packets.",
    ),
    code("S0108", "no route to the host", "The network has no way to the host's address."),
    code(
        "S0109",
        "the server closed the connection",
        "The server ended the connection or refused a channel. Its own log tells why; frequent reasons are \
         `MaxStartups`, `MaxSessions` and deny rules.",
    ),
    code("S0110", "ssh is not installed", "hostctl connects with the ssh program of this machine: install it."),
    code(
        "S0111",
        "no private folder for the connection",
        "The control socket, its log and its configuration lie in a folder that only you can enter, below \
         `$XDG_RUNTIME_DIR/hostctl` or the temporary directory. A socket's path must be short.",
    ),
    code(
        "S0112",
        "the pinned host key does not match",
        "`hostctl_host_key` pins another key than the host shows. After a reinstallation replace it; else somebody may \
         stand in between.",
    ),
    code(
        "S0113",
        "the pinned host key is malformed",
        "`hostctl_host_key` takes one line as `/etc/ssh/ssh_host_ed25519_key.pub` has it: type and base64 text.",
    ),
    code(
        "S0114",
        "host keys are not checked",
        "A setting of yours turns host-key checking off. It is honoured, but whoever stands in between can read \
         passwords and run commands as the host. Pin the keys in the inventory instead: `hostctl_host_key`.",
    ),
    code("S0115", "the connection is not supported", "`ansible_connection` is `ssh` or `local`."),
    code("S0117", "the port is no number", "`ansible_port` is a number from 1 to 65535."),
    code(
        "S0118",
        "another program in the place of Python's ssh",
        "`paramiko` is an ssh client in Python. hostctl connects with the ssh program and its configuration instead.",
    ),
    code(
        "S0116",
        "the server refused a channel",
        "sshd's `MaxSessions` limits the channels of one connection (10 if not set), and each become user takes one. \
         hostctl then opens a connection of its own for the user; if that is refused too, raise the limit.",
    ),
    code(
        "S0201",
        "the connection was lost",
        "The connection ended while it was in use: the host was switched off or rebooted, the network broke, or the \
         server ended it. What the running task had changed by then is not known; run the playbook again.",
    ),
    code(
        "S0202",
        "the agent did not start, or ended",
        "hostctl's program on the host ended although the connection stands. The host's message is shown. The login \
         shell must be able to run commands.",
    ),
    code(
        "S0203",
        "no folder for the agent",
        "hostctl stores itself in a folder of the login user from which programs can be run: `~/.cache/hostctl`, \
         `$XDG_RUNTIME_DIR`, or a folder of its own in `/var/tmp`, `/tmp` or `/dev/shm`. None could be used: all are \
         full, read-only or mounted `noexec`.",
    ),
    code(
        "S0204",
        "the host has another architecture",
        "hostctl ships itself, so it must be built for the machine type of the host.",
    ),
    code(
        "S0205",
        "the agent has another version",
        "The program on the host is not the same build as this one although its name says so. Delete it there.",
    ),
    code(
        "S0206",
        "the agent is not understood",
        "What came from the host is no valid frame: a program wrote into the channel, or the agent's file is damaged.",
    ),
    code("S0207", "the agent could not be stored", "The upload failed. Is there room in the folder that is named?"),
    code(
        "S0210",
        "the agent's file is damaged",
        "The program on the host has the right name and size, but not the right content. Delete it; it is sent anew.",
    ),
    code(
        "S0211",
        "the connection was lost, the work goes on",
        "Images are built by a process of its own on the host. The connection is made anew for up to half an hour; what \
         was told meanwhile is told then. `hostctl attach` shows it later, too.",
    ),
    code("S0208", "hostctl cannot read its own file", "The program that runs is needed to be shipped to hosts."),
    code("S0209", "no shell on this machine", "`/bin/sh` of the controller could not be started."),
    code(
        "S0301",
        "a become password is needed",
        "sudo asks for a password and none was given. Set `ansible_become_password` in the vault, run with \
         `--ask-become-pass`, or allow the user to become without (`NOPASSWD`).",
    ),
    code(
        "S0302",
        "the become password was refused",
        "sudo wants the password of the login user, su the one of the user to become.",
    ),
    code(
        "S0303",
        "the user may not become another",
        "The sudoers file of the host has no rule for this. Add one with `visudo -f /etc/sudoers.d/hostctl`.",
    ),
    code("S0304", "sudo wants a terminal", "Remove `requiretty` from the sudoers file of the host."),
    code("S0305", "the user could not be become", "The program's own message is shown."),
    code("S0306", "the become program is missing", "Install it on the host, or set `become_exe` to its path."),
    code("S0307", "the become method is not supported", "`become_method` is `sudo` or `su`."),
    code("S0308", "the user to become does not exist", "Create the user first, with a task that becomes root."),
    code("S0401", "the call was cancelled", "The run was interrupted, or another task that it depended on failed."),
    code(
        "S0402",
        "the task took too long",
        "The task's keyword `timeout` was reached and the task was ended. What it had changed by then stays.",
    ),
    code(
        "S0404",
        "too large to send",
        "Arguments and results are limited to 64 MiB and 120 levels. Use files for more.",
    ),
    code(
        "S0405",
        "a file of the controller did not arrive",
        "The file could not be read, or its content changed while the run went on.",
    ),
    code("S0406", "no room for a file on the host", "Large files are kept in a private temporary folder on the host."),
    code(
        "S0410",
        "a job of its own could not be started",
        "A task with `async` runs in a process of its own, which is laid out in a private folder of /var/tmp, /tmp or /dev/shm and leaves its result in `~/.ansible_async`. One of them cannot be written, or programs cannot be run there.",
    ),
    code("S0490", "ping was asked to fail", "`ping` with `data: crash` fails, to show what a failure looks like."),
    code(
        "S0501",
        "a name could not be resolved",
        "Neither `/etc/hosts`, DNS nor `getent ahosts` knows the name on the host where it was needed.",
    ),
];
