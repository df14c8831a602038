rm -rf /var/tmp/hostctl-oracle-svn
