//! V: vaults and secrets.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[
    CodeEntry {
        code: "V0001",
        title: "not a vault of hostctl, or a damaged one",
        text: "A `secrets.yml` begins with `hostctl_vault:` and holds names in clear with sealed values. Make one with `hostctl vault init`, or restore a damaged one from version control.",
    },
    CodeEntry {
        code: "V0002",
        title: "a vault of a newer version",
        text: "The file was written by a newer hostctl. Update hostctl; nothing was changed.",
    },
    CodeEntry {
        code: "V0003",
        title: "no key to open the vault",
        text: "hostctl looks for an identity in `--identity FILE`, then HOSTCTL_IDENTITY, then ~/.config/hostctl/identity.txt; for a vault that is sealed for ssh keys also in ~/.ssh/id_ed25519 and ~/.ssh/id_rsa. The passphrase of a vault that is sealed with one comes from `--passphrase-file FILE`, then HOSTCTL_VAULT_PASSPHRASE_FILE, else it is asked for on a terminal.",
    },
    CodeEntry {
        code: "V0004",
        title: "no identity fits the vault",
        text: "The vault is sealed for other public keys. Use the identity that belongs to one of its recipients, or ask someone who can open it to add your public key: `hostctl vault recipients --add age1...`.",
    },
    CodeEntry {
        code: "V0005",
        title: "an identity file that cannot be read",
        text: "An identity file holds lines that begin with `AGE-SECRET-KEY-1`; lines with # are comments. An ssh private key (ed25519 or RSA) works too; its passphrase is asked for, or comes from `--passphrase-file FILE`. Public keys, ECDSA keys and keys that only an ssh-agent or a security key holds open nothing: they sign, they do not decrypt.",
    },
    CodeEntry {
        code: "V0006",
        title: "a wrong passphrase",
        text: "The passphrase does not open the vault, or the ssh key that it was asked for. Nothing was changed.",
    },
    CodeEntry {
        code: "V0007",
        title: "a sealed value that was refused",
        text: "Each value is sealed together with its full name. A value that was changed by hand, copied under another name or taken from another vault is refused. Set it anew with `hostctl vault set NAME`.",
    },
    CodeEntry {
        code: "V0008",
        title: "a value in clear in a vault",
        text: "Every value in `secrets.yml` is sealed. Values that are no secrets belong in `vars/*.yml`.",
    },
    CodeEntry {
        code: "V0009",
        title: "no such value",
        text: "The vault has no value with this name. Names are keys joined by dots; a dot inside a key is written `\\.`.",
    },
    CodeEntry {
        code: "V0010",
        title: "not a recipient",
        text: "A recipient is a public key: `age1...`, `ssh-ed25519 ...` or `ssh-rsa ...` (2048 to 4096 bits), on the command line or one a line in a file. Never give a secret key.",
    },
    CodeEntry {
        code: "V0011",
        title: "the vault was not changed",
        text: "The edited text could not be used, a value would have taken the place of others, or the file was changed by someone else meanwhile. The file was left as it is. `hostctl vault edit` opens the editor once more; a text that is refused twice is kept in a private file that the message names.",
    },
    CodeEntry {
        code: "V0012",
        title: "the vault could not be written",
        text: "The new file is written beside the old one and opened before it takes its place. One of these steps failed; the old file is as it was.",
    },
    CodeEntry {
        code: "V0013",
        title: "the file exists already",
        text: "`hostctl vault init` makes a new file and never overwrites one.",
    },
    CodeEntry {
        code: "V0014",
        title: "a secret too short to be masked",
        text: "Texts under 4 characters are not masked in output, since they would mask half of every line. Use a longer value.",
    },
    CodeEntry {
        code: "V0015",
        title: "a passphrase file that cannot be used",
        text: "`--passphrase-file FILE` (or HOSTCTL_VAULT_PASSPHRASE_FILE) names a file with the passphrase of `secrets.yml` in its first line. Only its owner may read it: `chmod 600 FILE`.",
    },
    CodeEntry {
        code: "V0016",
        title: "a vault that you cannot open",
        text: "The vault is sealed for the recipients that `--recipient`, `environment.yml` or your last change names, and your own public key is none of them. Nobody else can be added without opening it: remove an empty vault and make it again with your key, or ask one of its recipients.",
    },
    CodeEntry {
        code: "V0017",
        title: "values that cannot be imported",
        text: "`hostctl vault import` takes files that ansible-vault sealed as a whole and hold variables, and YAML files with `!vault` values; with `--name NAME` any file that was sealed as a whole. A name that the vault has already with another value, or that has different values in two of the files, is refused. Nothing was changed.",
    },
    CodeEntry {
        code: "V0018",
        title: "an import that is not all of a file",
        text: "Variables that hold templates stay in their file, since a sealed value is never rendered; move the secret part to a variable of its own. A variable of which only parts were sealed is sealed as a whole. With `--move` a file that was sealed as a whole is kept if it holds comments or variables that were left out.",
    },
    CodeEntry {
        code: "V0101",
        title: "damaged Ansible vault text",
        text: "The text begins with `$ANSIBLE_VAULT` but is not whole, or has a format that hostctl does not read (1.1 and 1.2 with AES256 are read).",
    },
    CodeEntry {
        code: "V0102",
        title: "a wrong vault password",
        text: "None of the passwords opens the vault text. Passwords come from `--vault-password-file FILE` and `--vault-id LABEL@FILE`; white space at the end of a password file is not part of the password.",
    },
    CodeEntry {
        code: "V0103",
        title: "no vault password",
        text: "A file or value is sealed by ansible-vault. Give its password with `--vault-password-file FILE` or `--vault-id LABEL@FILE`.",
    },
    CodeEntry {
        code: "V0104",
        title: "a vault password that cannot be had",
        text: "A password of `--vault-password-file FILE` or `--vault-id LABEL@FILE` is the content of a text file, or what a program prints; a program whose name ends with `-client` is called with `--vault-id LABEL`. This one is missing, empty, no UTF-8 text, or its program failed. It is an error only if no other password can be had.",
    },
    CodeEntry {
        code: "V0110",
        title: "nothing that `ansible-vault` can work on",
        text: "`encrypt` takes a file that is not sealed yet, `decrypt`, `view`, `edit` and `rekey` one that is, and `create` one that does not exist.",
    },
    CodeEntry {
        code: "V0111",
        title: "a file of `ansible-vault` cannot be read or written",
        text: "The file or its folder refuses it. Nothing was changed: new content replaces the old in one step.",
    },
];
