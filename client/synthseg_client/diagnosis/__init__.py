"""What a bug report needs: installation, machine and server, and what is wrong with them."""
