"""What node operators do: licences, their nodes, bonds, offers, pay and maintenance."""
