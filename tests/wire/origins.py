"""Who sends what, from the texts: OCPP 1.6 sections 4 and 5 and the security whitepaper; part 2 of 2.0.1 and 2.1, section 1 of the
messages ("sent by the Charging Station to the CSMS", or the other way). DataTransfer goes both ways and stands with the stations."""

from __future__ import annotations


def _words(text: str) -> list[str]:
    return text.split()


_OF_201 = _words(
    """
    Authorize BootNotification ClearedChargingLimit DataTransfer FirmwareStatusNotification Get15118EVCertificate
    GetCertificateStatus Heartbeat LogStatusNotification MeterValues NotifyChargingLimit NotifyCustomerInformation
    NotifyDisplayMessages NotifyEVChargingNeeds NotifyEVChargingSchedule NotifyEvent NotifyMonitoringReport NotifyReport
    PublishFirmwareStatusNotification ReportChargingProfiles ReservationStatusUpdate SecurityEventNotification SignCertificate
    StatusNotification TransactionEvent
    """
)
SENT = {
    "1.6": _words(
        """
        Authorize BootNotification DataTransfer DiagnosticsStatusNotification FirmwareStatusNotification Heartbeat
        LogStatusNotification MeterValues SecurityEventNotification SignCertificate SignedFirmwareStatusNotification
        StartTransaction StatusNotification StopTransaction
        """
    ),
    "2.0.1": _OF_201,
    "2.1": _OF_201
    + _words(
        """
        BatterySwap ClosePeriodicEventStream GetCertificateChainStatus NotifyDERAlarm NotifyDERStartStop NotifyPriorityCharging
        NotifySettlement OpenPeriodicEventStream PullDynamicScheduleUpdate ReportDERControl VatNumberValidation
        """
    ),
}
"""What a station may call. In 2.1 it also sends NotifyPeriodicEventStream, which is no call."""
_OF_CSMS_201 = _words(
    """
    CancelReservation CertificateSigned ChangeAvailability ClearCache ClearChargingProfile ClearDisplayMessage
    ClearVariableMonitoring CostUpdated CustomerInformation DeleteCertificate GetBaseReport GetChargingProfiles
    GetCompositeSchedule GetDisplayMessages GetInstalledCertificateIds GetLocalListVersion GetLog GetMonitoringReport GetReport
    GetTransactionStatus GetVariables InstallCertificate PublishFirmware RequestStartTransaction RequestStopTransaction ReserveNow
    Reset SendLocalList SetChargingProfile SetDisplayMessage SetMonitoringBase SetMonitoringLevel SetNetworkProfile
    SetVariableMonitoring SetVariables TriggerMessage UnlockConnector UnpublishFirmware UpdateFirmware
    """
)
OF_A_CSMS = {
    "1.6": _words(
        """
        CancelReservation CertificateSigned ChangeAvailability ChangeConfiguration ClearCache ClearChargingProfile
        DeleteCertificate ExtendedTriggerMessage GetCompositeSchedule GetConfiguration GetDiagnostics GetInstalledCertificateIds
        GetLocalListVersion GetLog InstallCertificate RemoteStartTransaction RemoteStopTransaction ReserveNow Reset SendLocalList
        SetChargingProfile SignedUpdateFirmware TriggerMessage UnlockConnector UpdateFirmware
        """
    ),
    "2.0.1": _OF_CSMS_201,
    "2.1": _OF_CSMS_201
    + _words(
        """
        AFRRSignal AdjustPeriodicEventStream ChangeTransactionTariff ClearDERControl ClearTariffs GetDERControl
        GetPeriodicEventStream GetTariffs NotifyAllowedEnergyTransfer NotifyWebPaymentStarted RequestBatterySwap SetDERControl
        SetDefaultTariff UpdateDynamicSchedule UsePriorityCharging
        """
    ),
}
"""What a CSMS may call, beside DataTransfer."""
