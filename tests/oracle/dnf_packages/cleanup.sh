rm -rf /var/tmp/hostctl-oracle-dnf
