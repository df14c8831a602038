#!/bin/sh
# Makes the vault fixtures with the real ansible-vault (first argument: its bin folder).
set -e
cd "$(dirname "$0")"
printf 'geheim-äöü\n' > /tmp/pw-default; printf 'andere\n' > /tmp/pw-prod
printf 'secret: wörter\nlist: [1, 2]\n' | "$1"/ansible-vault encrypt --vault-password-file /tmp/pw-default --output - - > plain.vault
printf 'labelled value' | "$1"/ansible-vault encrypt --vault-id prod@/tmp/pw-prod --output - - > labelled.vault
rm /tmp/pw-default /tmp/pw-prod
