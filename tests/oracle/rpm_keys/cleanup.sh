rm -rf /var/tmp/hostctl-oracle-rpmkey
