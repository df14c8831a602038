userdel -r oracle-user1; userdel -r oracle-user2; groupdel oracle-g1; groupdel oracle-g2; rm -rf /var/tmp/oracle-home; true
